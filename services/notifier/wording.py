"""Alerts in words. The sentence templates are read here, one file a language: the shipped ones, and what a team lays over them in `templates/`."""

from __future__ import annotations

from schemas.config.template import Template, Templates
from services.notifier.attempt import Words
from services.notifier.recent import Recent
from services.notifier.render import Draft, draft
from services.notifier.render_digest import render_digest
from services.runtime.config_files import ConfigDir
from services.store.digests import Digest
from services.store.queue import Claimed

_SHIPPED = "services.notifier:templates"


def load_templates(config: ConfigDir, *languages: str) -> Templates:
    """The templates of these languages, or of all; English is always there. Raises Misconfigured with every problem."""
    wanted = {*languages, "en"} if languages else None
    paths = [path for path in config.files("templates", shipped=_SHIPPED) if wanted is None or path.stem in wanted]
    return {path.stem: config.load(path, Template) for path in paths}


class InWords:
    """Puts deliveries into words. An alert is drafted once for everybody who reads the same language."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._drafts: Recent[tuple[object, ...], Draft] = Recent(500)
        self._words: Recent[tuple[object, ...], Words] = Recent(500)

    def __call__(self, claimed: Claimed) -> Words:
        if claimed.digest is not None:
            return self._digest(claimed, claimed.digest)
        alert = (claimed.alert_id, claimed.language, *((event.id, event.version) for event in claimed.related))
        return self._words.get((alert, claimed.reasons), lambda: self._told(alert, claimed))

    def _digest(self, claimed: Claimed, digest: Digest) -> Words:
        alerts = [(one.kind, one.event) for one in digest.alerts]
        told = render_digest(alerts, reasons=claimed.reasons, language=claimed.language, templates=self._templates)
        return Words(told.headline, told.subject, told.text, told.language)

    def _told(self, alert: tuple[object, ...], claimed: Claimed) -> Words:
        told = self._drafts.get(alert, lambda: self._draft(claimed)).to(claimed.reasons)
        return Words(told.headline, told.subject, told.text, told.language)

    def _draft(self, claimed: Claimed) -> Draft:
        return draft(claimed.event, kind=claimed.kind, language=claimed.language, templates=self._templates, related=claimed.related)
