"""Reports as self-contained pages: no other file, light and dark, from a phone to a desktop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from finecaption.data.report.page import card, escape, figure, page
from finecaption.eval import report
from finecaption.eval.examples import Example, Run, best_and_worst, contradictions
from finecaption.eval.pictures import data_uri, outlined
from finecaption.eval.published import COLUMNS
from finecaption.eval.records import Record
from finecaption.eval.table import interval, percent

STYLE = """
:root { color-scheme: light dark; --ours: #eaf1fb; --good: #1a7f45; --bad: #b3261e;
  --whisker: #16335f; --track: #efece4; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171b; --card: #1d2026; --ink: #e9e7e2; --faint: #9ca4af; --rule: #31363f;
    --bar: #6c9fe6; --bar-soft: #26344a; --ours: #22304a; --good: #6fcf97; --bad: #ff8a80;
    --whisker: #e6eefb; --track: #2a2e36; }
}
.cards { grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr));
  align-items: start; }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
.scroll table { min-width: 100%; width: max-content; max-width: none; }
.scroll td:first-child, .scroll th:first-child { max-width: 300px; position: sticky; left: 0;
  background: var(--card); }
.scroll tr.ours td:first-child { background: var(--ours); }
.stack { display: grid; gap: 18px; align-content: start; }
.kind { margin: 16px 0 8px; font-weight: 600; font-size: 13px; color: var(--faint); }
.kind:first-of-type { margin-top: 0; }
.scroll td, .scroll th { overflow-wrap: normal; padding-right: 16px; }
.scroll th.n { white-space: normal; max-width: 108px; vertical-align: bottom; }
tr.ours td { background: var(--ours); font-weight: 600; }
tr.all td { border-top: 1px solid var(--rule); font-weight: 600; }
.tag { display: inline-block; font-size: 11px; line-height: 1.5; padding: 0 7px; margin-left: 6px;
  border: 1px solid var(--rule); border-radius: 9px; color: var(--faint); white-space: nowrap;
  font-weight: 400; }
.rows { display: grid; gap: 7px; }
.row { display: grid; grid-template-columns: minmax(104px, 36%) 1fr 54px; gap: 10px;
  align-items: center; font-size: 14px; line-height: 1.25; }
.row .v { text-align: right; font-variant-numeric: tabular-nums; }
.row small { color: var(--faint); font-size: 12px; white-space: nowrap; }
.track { position: relative; height: 14px; border-radius: 3px; background: var(--track); }
.track i { position: absolute; left: 0; top: 0; bottom: 0; border-radius: 3px;
  background: var(--bar); }
.track u { position: absolute; top: 6px; height: 2px; background: var(--whisker); }
.track u::before, .track u::after { content: ""; position: absolute; top: -3px; width: 2px;
  height: 8px; background: var(--whisker); }
.track u::before { left: 0; } .track u::after { right: 0; }
.facts { display: grid; gap: 12px; }
.fact { display: grid; grid-template-columns: 74px 1fr; gap: 12px; align-items: baseline; }
.fact b { font-size: 19px; text-align: right; font-variant-numeric: tabular-nums; }
.fact p { margin: 0; } .fact p span { color: var(--faint); font-size: 13px; display: block; }
h2.part { font-size: 19px; margin: 34px 0 6px; } p.part { color: var(--faint); margin: 0 0 14px; }
.examples { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
.example { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  overflow: hidden; }
.example img { display: block; width: 100%; height: auto; background: var(--track); }
.example div { padding: 12px 14px 14px; } .example h3 { font-size: 14px; margin: 0 0 8px; }
.example h3 span { color: var(--faint); font-weight: 400; }
.example dl { margin: 0; font-size: 14px; line-height: 1.4; }
.example dt { color: var(--faint); font-size: 12px; margin-top: 8px; }
.example dd { margin: 0; overflow-wrap: anywhere; } .example dd.right { color: var(--faint); }
.good::before { content: "\\2713\\00a0"; color: var(--good); font-weight: 700; }
.bad::before { content: "\\2717\\00a0"; color: var(--bad); font-weight: 700; }
.gone { padding: 40px 14px; color: var(--faint); text-align: center; background: var(--track); }
.up { color: var(--good); } .down { color: var(--bad); }
@media (max-width: 560px) { .figures { grid-template-columns: repeat(2, 1fr); }
  .row { grid-template-columns: minmax(92px, 38%) 1fr 46px; gap: 8px; font-size: 13px; }
  .fact { grid-template-columns: 58px 1fr; } h1 { font-size: 21px; }
  .card { padding: 14px; } .scroll table { font-size: 13px; }
  .scroll td, .scroll th { padding-right: 12px; }
  .scroll td:first-child, .scroll th:first-child { max-width: 138px; overflow-wrap: anywhere; }
  .scroll th.n { max-width: 84px; } .tag { margin-left: 0; } }
"""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = ()) -> str:
    """A table that scrolls by itself where it is wider than the page; cells are escaped but for
    the first column, which is given as HTML."""

    def line(cells: Sequence[str], tag: str, kind: str = "") -> str:
        first, *others = cells
        text = f"<{tag}>{first}</{tag}>" + "".join(
            f"<{tag} class=n>{escape(c)}</{tag}>" for c in others
        )
        return f"<tr{f' class={kind}' if kind else ''}>{text}</tr>"

    kinds = [*classes, *[""] * (len(rows) - len(classes))]
    body = "".join(line(row, "td", kind) for row, kind in zip(rows, kinds, strict=True))
    return (
        f'<div class="scroll"><table><thead>{line(header, "th")}</thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def _plain(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[escape(row[0]), *row[1:]] for row in rows]


def meter(
    name: str, value: float | None, around: Sequence[float] | None, count: str = "",
    form: Callable[[float | None], str] = percent,
) -> str:  # fmt: skip
    """A named bar from 0 to 1 with its interval as a whisker."""
    small = f" <small>{escape(count)}</small>" if count else ""
    bar = "" if value is None else f'<i style="width:{100 * min(1, max(0, value)):.1f}%"></i>'
    if around and around[1] > around[0]:
        low, high = (100 * min(1, max(0, v)) for v in around)
        bar += f'<u style="left:{low:.1f}%;width:{high - low:.1f}%"></u>'
    return (
        f'<div class="row"><span>{escape(name)}{small}</span>'
        f'<span class="track" title="{escape(interval(around))}">{bar}</span>'
        f'<span class="v">{escape(form(value))}</span></div>'
    )


def _rows(meters: Sequence[str]) -> str:
    return f'<div class="rows">{"".join(meters)}</div>'


def html_report(run: Run) -> str:
    """report.html: a whole page."""
    scores = run.scores
    body = [
        f'<h1>{escape(report.title(scores))}</h1><p class="lead">{escape(report.lead(scores))}</p>',
        _figures(scores),
        '<div class="cards">',
        *_cards(scores),
        "</div>",
        *_examples(run),
        _settings(scores),
    ]
    return page(report.title(scores), "\n".join(body), STYLE)


def _figures(scores: Record) -> str:
    told = []
    if scores["mean_accuracy"] is not None:
        around = interval(scores["mean_interval"])
        told.append(figure(f"{percent(scores['mean_accuracy'])} %", f"accuracy ({around})"))
    for task, found in scores.get("captions", {}).items():
        value = found["corpus"].get("ROUGE-L")
        told.append(figure(report.hundredfold(value), f"ROUGE-L, {task}"))
    if scores.get("twins"):
        told.append(figure(f"{percent(scores['twins']['accuracy'])} %", "twins named right"))
    drawn = scores.get("drawn") or {}
    if drawn.get("uniqueness"):
        value = drawn["uniqueness"]["recall_at_1"]
        told.append(figure(f"{percent(value)} %", "regions told apart"))
    if scores.get("conflicts"):
        value = scores["conflicts"]["all"]["contradicted"]
        told.append(figure(f"{percent(value)} %", "contradicted at once"))
    return f'<div class="figures">{"".join(told)}</div>' if told else ""


def _cards(scores: Record) -> list[str]:
    out = []
    if scores["attributes"]:
        meters = [
            meter(name, own["accuracy"], own["interval"], str(own["count"]))
            for name, own in scores["attributes"].items()
        ]
        note = (
            "Mean share of facets stated right, in percent; whiskers: 95 % bootstrap over "
            "pictures; small: questions."
        )
        out.append(card("Accuracy by attribute", _rows(meters), note))
    kinds = "".join(_group(g) for g in scores.get("groups", {}).values() if len(g["groups"]) > 1)
    beside = []
    if kinds:
        note = (
            "Accuracy (ROUGE-L where no truth in values is known), mean over answers; small: "
            "regions."
        )
        beside.append(card("By kind of region", kinds, note))
    told = report.behaviour(scores)
    if told:
        facts = "".join(
            f'<div class="fact"><b>{escape(value)}</b><p>{escape(name)}<span>{escape(note)}</span>'
            "</p></div>"
            for name, value, note in told
        )
        beside.append(card("What else was measured, %", f'<div class="facts">{facts}</div>'))
    if beside:
        out.append(f'<div class="stack">{"".join(beside)}</div>')
    out.append(card("Beside the paper", _paper(scores), " ".join(report.paper_notes(scores)), True))
    if scores.get("captions"):
        header, rows = report.task_rows(scores)
        note = "Times 100. In brackets, where the figure is a mean over captions: 95 % interval."
        text = table(header, _plain(rows))
        out.append(card("Captions against references", text, note, True))
    header, rows = report.attribute_rows(scores)
    if rows:
        note = (
            "Caption figures are means of the captions' own, times 100; of a whole set BLEU and "
            "METEOR are not."
        )
        out.append(card("Every attribute", table(header, _plain(rows)), note, True))
    rows = report.conflict_rows(scores)
    if rows:
        found = scores["conflicts"]["attributes"]
        meters = [
            meter(n, r["contradicted"], None, f"{r['contradictions']} of {r['compared']}")
            for n, r in found.items()
            if r["compared"]
        ]
        classes = [*[""] * (len(rows) - 1), "all"]
        text = _rows(meters) + "<br>" + table(report.CONFLICT_HEADER, _plain(rows), classes)
        out.append(
            card("One attribute at a time against all at once", text, report.CONFLICT_NOTE, True)
        )
    return out


def _group(group: Mapping[str, Any]) -> str:
    meters = []
    for own in group["groups"]:
        found = own["accuracy"] or own["rouge"] or {}
        meters.append(
            meter(own["name"], found.get("mean"), found.get("interval"), str(own["regions"]))
        )
    return f'<p class="kind">{escape(group["title"])}</p>{_rows(meters)}'


def _paper(scores: Record) -> str:
    rows, classes = [], []
    for name, figures, kind in report.paper_rows(scores):
        tag = "" if kind == "ours" else f'<span class="tag">published, {escape(kind)}</span>'
        rows.append([escape(name) + tag, *figures])
        classes.append("ours" if kind == "ours" else "")
    return table(["Row", *COLUMNS], rows, classes)


def _examples(run: Run) -> list[str]:
    best, worst = best_and_worst(run)
    out = []
    for name, note, examples in (
        ("Best", "Regions whose answers score highest, one a picture.", best),
        ("Worst", "Regions whose answers score lowest, one a picture.", worst),
        (
            "Most different at once",
            "Regions of which the paragraph states another value than the answer alone.",
            contradictions(run),
        ),
    ):
        if examples:
            out.append(
                f'<h2 class="part">{escape(name)}</h2><p class="part">{escape(note)}</p>'
                f'<div class="examples">{"".join(map(example_card, examples))}</div>'
            )
    return out


def example_card(example: Example) -> str:
    """An example with its picture."""
    place = example.place
    shown = outlined(place)
    name = place.get("category") or ("picture" if "mask" not in place else "region")
    if shown is None:
        picture = '<p class="gone">the picture is not where it was</p>'
    else:
        alt = f"{name} outlined in {place['picture']}"
        picture = (
            f'<img src="{data_uri(shown)}" alt="{escape(alt)}" width="{shown.width}" '
            f'height="{shown.height}">'
        )
    mean = "" if example.figure is None else f" {percent(example.figure)} %"
    lines = []
    for asked, answer, right, good in example.lines:
        kind = "" if good is None else f' class="{"good" if good else "bad"}"'
        lines.append(f"<dt>{escape(asked)}</dt><dd{kind}>{escape(answer) or '(nothing)'}</dd>")
        if right and not good:
            lines.append(f'<dd class="right">right: {escape(right)}</dd>')
    return (
        f'<article class="example">{picture}<div><h3>{escape(name)}{mean} '
        f"<span>{escape(place['picture'])}</span></h3><dl>{''.join(lines)}</dl></div></article>"
    )


def _settings(scores: Record) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in report.settings_rows(scores)
    )
    return '<h2 class="part">Settings and versions</h2>' + card(
        "", f"<table>{rows}</table>"
    ).replace("<h2></h2>", "")
