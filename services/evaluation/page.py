"""The figures of a run as one HTML page with charts that needs nothing else: no script, no file, no address. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from services.evaluation.charts import Bar, bars, intervals, reliability, weights
from services.evaluation.summary import compared_lines, head_lines

MOST_ERRORS = 60
MOST_WEIGHED = 6
LONGEST_HEAD = 240
CHANGED = {
    "found": "Alerts found there only",
    "missed": "Alerts missed there",
    "silenced": "False alarms silenced there",
    "raised": "False alarms raised there",
}
Figures = Mapping[str, Any]


def page(figures: Figures, heads: Mapping[str, str], *, name: str) -> str:
    """`heads` are the headlines by item id, for the errors; `name` is what the data are called."""
    sections = _sections(figures, heads) if figures["data"]["items"] else []
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">',
            """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
            f"<title>How well {escape(name)} is judged</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<main>",
            f"<h1>How well {escape(name)} is judged</h1>",
            f'<p class="soft">{escape(next(head_lines(figures)))}</p>',
            *sections,
            "</main>\n</body>\n</html>\n",
        )
    )


def _style() -> str:
    return files("services.evaluation").joinpath("page.css").read_text("utf-8")


def _sections(figures: Figures, heads: Mapping[str, str]) -> Iterator[str]:
    yield _tiles(figures)
    yield from _compared(figures["compared"])
    yield from _classes(figures)
    yield from _languages(figures)
    yield from _facts(figures)
    yield from _calibration(figures["calibration"])
    yield from _threads(figures["threads"])
    yield from _rules(figures["rules"])
    yield from _errors(figures["errors"], heads)


def _tiles(figures: Figures) -> str:
    alert, threads, calibration = figures["alert"], figures["threads"], figures["calibration"]
    low, high = alert["ci95"]
    tiles = [
        ("F1 of alerts", f"{alert['f1']:.3f}", f"{low:.3f} to {high:.3f} in 95 of 100 draws"),
        ("precision", f"{alert['precision']:.3f}", f"{alert['fp']} false alarms"),
        ("recall", f"{alert['recall']:.3f}", f"{alert['fn']} missed of {figures['data']['alerts']}"),
        ("threads, B-cubed F1", f"{threads['b3']['f1']:.3f}", f"simple rule {threads['trivial_b3_f1']:.3f}"),
        ("calibration error", f"{calibration['ece']:.3f}", f"ECE over {calibration['items']} scored items"),
    ]
    return f'<ul class="tiles">{"".join(f"<li><span>{name}</span><b>{value}</b><span>{told}</span></li>" for name, value, told in tiles)}</ul>'


def _classes(figures: Figures) -> Iterator[str]:
    yield "<h2>Classes</h2><p>What the data call an item (rows), and what it was judged (columns).</p>"
    yield _confusion(figures["confusion"]["all"])
    groups = [
        Bar(f"alerts in {name} words", one["recall"], f"recall {one['recall']:.3f} of {one['alerts']}") for name, one in (figures["wording"] or {}).items()
    ]
    groups += [Bar(f"{name} items", one["f1"], f"F1 {one['f1']:.3f} of {one['alerts']}") for name, one in (figures["doubt"] or {}).items()]
    if groups:
        yield "<h3>By wording and by doubt of the labellers</h3>" + bars("By wording and doubt", groups)
    tables = (f"<h3>{escape(language)}</h3>{_confusion(counts)}" for language, counts in figures["confusion"]["by_language"].items())
    yield f"<details><summary>By language</summary>{''.join(tables)}</details>"


def _confusion(counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = []
    for gold, row in counts.items():
        total = sum(row.values()) or 1
        cells = "".join(f'<td class="shade" style="--share:{count / total * 0.7:.2f}">{count}</td>' for count in row.values())
        rows.append(f'<tr><th scope="row">{gold}</th>{cells}</tr>')
    names = "".join(f'<th scope="col">{found}</th>' for found in counts)
    return f'<div class="scroll"><table><tr><th>labelled</th>{names}</tr>{"".join(rows)}</table></div>'


def _languages(figures: Figures) -> Iterator[str]:
    told = {language: one for language, one in figures["by_language"].items() if one["alerts"]}
    ordered = sorted(told.items(), key=lambda one: (-one[1]["alerts"], one[0]))
    yield "<h2>Languages</h2><p>F1 of alerts, the languages with most alerts first.</p>"
    yield bars("F1 of alerts by language", [Bar(language, one["f1"], f"{one['f1']:.3f} of {one['alerts']}") for language, one in ordered])
    rows = [(language, one["alerts"], f"{one['precision']:.3f}", f"{one['recall']:.3f}", f"{one['f1']:.3f}") for language, one in ordered]
    yield _folded("As a table", ("language", "alerts", "precision", "recall", "F1"), rows)


def _facts(figures: Figures) -> Iterator[str]:
    yield "<h2>Facts</h2><p>How often a fact is right over all alerts, where a missed one is wrong (bar), and over those that were found (paler, and in figures).</p>"
    rows = [Bar(name, one["accuracy_all_gold"], f"{one['accuracy']:.3f} of {one['n']}", one["accuracy"]) for name, one in figures["facts"].items()]
    yield bars("Facts that are right", rows)
    for name, wrong in figures["mistaken"].items():
        if wrong:
            told = [(one["gold"], one["found"], one["times"], " ".join(one["ids"][:4])) for one in wrong]
            yield _folded(f"What {name} was taken for", ("label", "found", "times", "items"), told, words=(0, 1, 3))


def _calibration(calibration: Figures) -> Iterator[str]:
    yield "<h2>Calibration</h2>"
    yield f"<p>Whether of the items with a score of 0.7 seven in ten are alerts: on the dashed line they are. Brier score {calibration['brier']:.3f}.</p>"
    yield reliability(calibration["bins"])
    rows = [
        (f"{one['from']:.1f} to {one['to']:.1f}", one["items"], f"{one['score']:.3f}", f"{one['alerts']:.3f}", f"{one['score'] - one['alerts']:+.3f}")
        for one in calibration["bins"]
    ]
    yield _folded("As a table", ("score", "items", "mean score", "share of alerts", "too sure by"), rows)


def _threads(threads: Figures) -> Iterator[str]:
    yield "<h2>Threads</h2>"
    told = f"{threads['items']} alerts of {threads['events_gold']} events were put into {threads['events_found']}; {threads['pushes_per_event']:.2f} pushes for each due."
    yield f"<p>{told} The simple rule merges all acts of one state in one direction within seven days.</p>"
    sides = (("ours", threads["b3"]), ("simple rule", threads["trivial_b3"]), ("ours, pairwise", threads["pairwise"]))
    yield bars(
        "Threads",
        [
            Bar(f"{name}, {figure}", one[key], f"{one[key]:.3f}")
            for name, one in sides
            for figure, key in (("F1", "f1"), ("precision", "precision"), ("recall", "recall"))
        ],
    )


def _rules(rules: Sequence[Figures] | None) -> Iterator[str]:
    if not rules:
        return
    yield "<h2>Rules</h2><p>Each rule was taken out in turn, the score left as it is. Gained alerts and spared false alarms are due to it alone, lost and raised ones its fault; alone: right where no other rule says the same.</p>"
    names = ("rule", "says", "fires", "precision", "recall", "alone", "gained", "spared", "lost", "raised", "net")
    rows = [[_shown_rule(one, name) for name in names] for one in rules]
    yield _table(names, rows, words=(0, 1))


def _shown_rule(one: Figures, name: str) -> str:
    if name == "says":
        return _says(one)
    if name in ("precision", "recall"):
        return f"{one[name]:.3f}"
    return f"{one[name]:+d}" if name == "net" else str(one[name])


def _says(one: Figures) -> str:
    told = f"{'settles' if one['settles'] else 'leans to'} {one['says']}" if one["says"] else "nothing"
    return f"{told} (shadow)" if one["status"] == "shadow" else told


def _compared(compared: Figures | None) -> Iterator[str]:
    if compared is None:
        return
    yield f"<h2>Beside {escape(compared['with'])}</h2>"
    yield f"<p>Rule set {escape(compared['ruleset'])}, {escape(compared['model'])}, on the same items. Right of zero it is better than what is measured here; grey: it may be chance. Facts are held against one another on the alerts that both find. Its threads reach B-cubed F1 {compared['b3_f1']:.3f}.</p>"
    yield intervals([(name, one["ci95"][0], one["difference"], one["ci95"][1]) for name, one in compared["differences"].items()])
    yield _folded("As a table", ("figure", "here", "there", "difference", "95 % interval"), list(compared_lines(compared)))
    for kind, told in CHANGED.items():
        if ids := compared["changed"][kind]:
            yield f"<details><summary>{told}: {len(ids)}</summary><p><code>{escape(' '.join(ids))}</code></p></details>"


def _errors(errors: Sequence[Figures], heads: Mapping[str, str]) -> Iterator[str]:
    yield f"<h2>Worst errors</h2><p>{len(errors)} alerts were missed or false, the surest mistakes first. Bars to the right spoke for an alert, to the left against it.</p>"
    for one in errors[:MOST_ERRORS]:
        told = [
            f"labelled {one['gold']}, judged {one['found']}",
            f"score {one['score']:.2f}",
            one["language"],
            one["id"],
            "doubted by the labeller" if one["doubted"] else None,
        ]
        head = heads.get(one["id"], "")
        yield (
            f'<article class="error"><b class="minus">{"Missed" if one["gold"] == "alert" else "False alarm"}</b> '
            f'<span class="soft">{escape(" · ".join(filter(None, told)))}</span><q dir="auto">{escape(head[:LONGEST_HEAD])}</q>'
            f'<span class="soft">{escape(one["why"].partition(" (")[0])}{_fired(one["rules"])}</span>'
            f"{_weighed(one['weighed'])}</article>"
        )


def _fired(rules: Sequence[str]) -> str:
    return f"; rules {escape(', '.join(rules))}" if rules else ""


def _weighed(weighed: Sequence[Figures]) -> str:
    return weights((one["feature"], one["added"]) for one in weighed[:MOST_WEIGHED]) if weighed else ""


def _folded(title: str, names: Sequence[str], rows: Iterable[Sequence[object]], *, words: Sequence[int] = (0,)) -> str:
    return f"<details><summary>{escape(title)}</summary>{_table(names, rows, words=words)}</details>"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]], *, words: Sequence[int] = (0,)) -> str:
    """Columns of words stand left, figures right."""
    kinds = [' class="words"' if place in words else "" for place in range(len(names))]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(names, kinds, strict=True))
    body = "".join("<tr>" + "".join(f"<td{kind}>{escape(str(cell))}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
