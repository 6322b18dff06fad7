"""Canonical URLs: one address for one page, however it was linked. Pure."""

from __future__ import annotations

import re

from yarl import URL

LONGEST = 2_048

_TRACKING = re.compile(
    r"utm_.*|at_(?:medium|campaign|custom\d|link.*|format|ptr_name|bbc_team)|ns_(?:mchannel|source|campaign|linkname|fee)|mc_(?:cid|eid)|_hs(?:enc|mi)"
    r"|(?:fb|g|gb|dc|ms|y|tt|tw)clid|wbraid|gbraid|igshid?|srsltid|cmpid|ocid|ncid|smid|xtor|wt_mc|ref_src|guccounter|guce_.*|_ga|spm",
    re.IGNORECASE,
)


def canonical(address: str | None, base: str | None = None) -> str | None:
    """The address without what does not choose the page: tracking parameters, fragment, default port, credentials, dot segments, order of the query.

    Host and escapes are written one way (punycode, lower case). http stays http: whether https shows the same page is the server's business.
    None if it is no http(s) address or longer than 2,048 characters.
    """
    address = (address or "").strip()
    if not address or len(address) > LONGEST:
        return None
    try:
        url = _absolute(address, base)
        if url.scheme not in ("http", "https") or not url.raw_host:
            return None
        query = sorted((name, value) for name, value in url.query.items() if not _TRACKING.fullmatch(name))
        return str(url.with_user(None).with_fragment(None).with_query(query or None))
    except ValueError:
        return None


def _absolute(address: str, base: str | None) -> URL:
    url = URL(address)
    return URL(base).join(url) if base and not url.scheme else url
