"""The figures of a run in a few sentences, for every way in which they are shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def head_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """What was judged and by what, and the figures that count most."""
    data, alert, threads = figures["data"], figures["alert"], figures["threads"]
    if not data["items"]:
        yield f"nothing was judged; rule set {figures['ruleset']}, {figures['model']}"
        return
    speed = f", {figures['items_per_second']:,} items/s" if figures["items_per_second"] else ""
    learnt = ", each item by what had learnt from others only" if figures["unseen"] else ""
    yield f"{data['items']} items, {data['alerts']} alerts, ruleset {figures['ruleset']}, {figures['model']}{speed}{learnt}"
    low, high = alert["ci95"]
    yield f"alert  F1 {alert['f1']:.3f} ({low:.3f} to {high:.3f})  precision {alert['precision']:.3f}  recall {alert['recall']:.3f}"
    yield from (f"{name} wording  recall {one['recall']:.3f} of {one['alerts']}" for name, one in (figures["wording"] or {}).items())
    yield from (f"{name} items  F1 {one['f1']:.3f} ({one['items']} items, {one['alerts']} alerts)" for name, one in (figures["doubt"] or {}).items())
    calibration = figures["calibration"]
    yield f"calibration  ECE {calibration['ece']:.3f}  Brier {calibration['brier']:.3f} over {calibration['items']} scored items"
    pushes = threads["pushes_per_event"]
    yield f"threads  B-cubed F1 {threads['b3']['f1']:.3f} (trivial rule {threads['trivial_b3_f1']:.3f})  pushes per event {pushes:.2f}"


def compared_lines(compared: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Figure, here, there, difference, and where it lies in 95 of 100 draws."""
    for name, one in compared["differences"].items():
        low, high = one["ci95"]
        yield name, f"{one['here']:.3f}", f"{one['there']:.3f}", f"{one['difference']:+.3f}", f"{low:+.3f} to {high:+.3f}"
