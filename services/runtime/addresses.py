"""The address guard: which internet addresses an outgoing connection may reach. Pure; `http.py` asks it for every socket.

An explicit list of what is denied, because `ipaddress.is_global` misses NAT64, multicast, 6to4 and more. It looks at the address of the
socket itself, so that every way to write one (decimal, octal, a lying name) meets the same list.
The most specific network decides; where an allowed and a denied network are the same, the allowed one does. So an operator who allows
100.64.0.0/10 still keeps the metadata address inside it closed.

Source: IANA special-purpose address registries (RFC 6890 and its updates).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_DENIED_TEXT = {
    # IPv4
    "0.0.0.0/8": "unspecified",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "255.255.255.255/32": "broadcast",
    # IPv6: only 2000::/3 is given out, and some of it is special
    "::/3": "reserved",
    "4000::/2": "reserved",
    "8000::/1": "reserved",
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::/96": "IPv4 in IPv6",
    "::ffff:0:0/96": "IPv4 in IPv6",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64",
    "100::/64": "discard",
    "2001::/23": "protocol assignments",
    "2001::/32": "Teredo",
    "2001:2::/48": "benchmarking",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "3fff::/20": "documentation",
    "fc00::/7": "unique local",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
    # cloud metadata, some of it at public addresses
    "169.254.169.254/32": "cloud metadata",
    "169.254.170.2/32": "cloud metadata",
    "100.100.100.200/32": "cloud metadata",
    "168.63.129.16/32": "cloud metadata",
    "192.0.0.192/32": "cloud metadata",
    "fd00:ec2::254/128": "cloud metadata",
    "fd20:ce::254/128": "cloud metadata",
}
DENIED = tuple((ip_network(text), why) for text, why in _DENIED_TEXT.items())

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


def why_denied(address: str, allow: Sequence[Network] = ()) -> str | None:
    """Why a connection to `address`, as a socket has it, is refused: "loopback", "private", ... None when it may be made.

    An IPv6 address that carries an IPv4 one is denied when either is. What is no address at all is denied too.
    """
    try:
        parsed = ip_address(address.partition("%")[0])  # a zone (fe80::1%eth0) says only which cable
    except ValueError:
        return "not an address"
    verdicts = (_verdict(reading, allow) for reading in _readings(parsed))
    return next((why for why in verdicts if why), None)


def _readings(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address it leads to."""
    yield address
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and (address in _NAT64 or address in _COMPATIBLE):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            yield inner


def _verdict(address: Address, allow: Sequence[Network]) -> str | None:
    allowed = max((network.prefixlen for network in allow if address in network), default=-1)
    denied, why = max(((network.prefixlen, why) for network, why in DENIED if address in network), default=(-1, None))
    return why if denied > allowed else None
