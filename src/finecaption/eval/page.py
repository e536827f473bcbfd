"""Reports as self-contained HTML pages, for light and dark mode, phone and desktop."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from finecaption.eval import report
from finecaption.eval.examples import (
    EvaluatedRun,
    Example,
    best_and_worst,
    contradictions,
    open_run,
)
from finecaption.eval.images import QUALITY, outlined
from finecaption.eval.published import COLUMNS
from finecaption.eval.records import Record
from finecaption.eval.table import interval, percent
from finecaption.io.atomic import write_text
from finecaption.io.html import Markup, card, data_uri, escape, figure, macro, page, source

STYLE = source(__package__, "report.css")
_part = functools.partial(macro, __package__, "parts.html")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = ()) -> str:
    """A table that scrolls by itself where it is wider than the page."""
    kinds = [*classes, *[""] * (len(rows) - len(classes))]
    return _part("table", header=header, rows=list(zip(rows, kinds, strict=True)))


def meter(
    name: str,
    value: float | None,
    around: Sequence[float] | None,
    count: str = "",
    form: Callable[[float | None], str] = percent,
) -> str:
    """A named bar from 0 to 1 with its interval as a whisker."""
    whisker = [100 * min(1, max(0, edge)) for edge in around or ()]
    return _part(
        "meter",
        name=name,
        count=count,
        value=form(value),
        bar=None if value is None else 100 * min(1, max(0, value)),
        whisker=whisker if around and around[1] > around[0] else None,
        around=interval(around),
    )


def _rows(meters: Sequence[str]) -> str:
    return f'<div class="rows">{"".join(meters)}</div>'


def write_report(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Writes report.md and report.html of a scored run; returns their paths.

    Raises:
        InputError: it has not been scored.
    """
    run = open_run(folder)
    paths = run.folder / "report.md", run.folder / "report.html"
    write_text(paths[0], report.markdown_report(run))
    write_text(paths[1], html_report(run))
    return paths


def html_report(run: EvaluatedRun) -> str:
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
    out: list[str] = []
    if scores["attributes"]:
        meters = [
            meter(name, own["accuracy"], own["interval"], str(own["count"]))
            for name, own in scores["attributes"].items()
        ]
        note = (
            "Mean fraction of facets stated correctly, in percent. Whiskers: 95 % bootstrap over "
            "images. Small numbers: questions."
        )
        out.append(card("Accuracy by attribute", _rows(meters), note))
    kinds = "".join(_group(g) for g in scores.get("groups", {}).values() if len(g["groups"]) > 1)
    beside = []
    if kinds:
        note = (
            "Accuracy (ROUGE-L if there is no structured ground truth), mean over answers. Small: "
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
        beside.append(card("Other measures, %", f'<div class="facts">{facts}</div>'))
    if beside:
        out.append(f'<div class="stack">{"".join(beside)}</div>')
    out.append(
        card(
            "Comparison with the paper", _paper(scores), " ".join(report.paper_notes(scores)), True
        )
    )
    if scores.get("captions"):
        header, rows = report.task_rows(scores)
        note = (
            "Times 100. In brackets: the 95 % interval, for metrics that are means over captions."
        )
        text = table(header, rows)
        out.append(card("Captions against references", text, note, True))
    header, rows = report.attribute_rows(scores)
    if rows:
        note = (
            "Caption metrics are means over captions, times 100, except BLEU and METEOR, which are "
            "computed for the whole set."
        )
        out.append(card("Every attribute", table(header, rows), note, True))
    rows = report.conflict_rows(scores)
    if rows:
        found = scores["conflicts"]["attributes"]
        meters = [
            meter(n, r["contradicted"], None, f"{r['contradictions']} of {r['compared']}")
            for n, r in found.items()
            if r["compared"]
        ]
        classes = [*[""] * (len(rows) - 1), "all"]
        text = _rows(meters) + "<br>" + table(report.CONFLICT_HEADER, rows, classes)
        out.append(
            card("Contradictions between answers and paragraphs", text, report.CONFLICT_NOTE, True)
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
        tag = Markup('<span class="tag">published, {}</span>').format(kind)
        rows.append([name if kind == "ours" else escape(name) + tag, *figures])
        classes.append("ours" if kind == "ours" else "")
    return table(["Row", *COLUMNS], rows, classes)


def _examples(run: EvaluatedRun) -> list[str]:
    best, worst = best_and_worst(run)
    out = []
    for name, note, examples in (
        ("Best", "The regions whose answers score highest, one per image.", best),
        ("Worst", "The regions whose answers score lowest, one per image.", worst),
        (
            "Contradictions",
            "Regions whose paragraph states another value than the single answer.",
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
    """An example with its image."""
    place = example.place
    shown = outlined(place)
    name = place.get("category") or ("image" if "mask" not in place else "region")
    return _part(
        "example",
        name=name,
        mean="" if example.figure is None else f" {percent(example.figure)} %",
        image=place["picture"],
        source=None if shown is None else data_uri(shown, quality=QUALITY),
        size=None if shown is None else shown.size,
        lines=example.lines,
    )


def _settings(scores: Record) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in report.settings_rows(scores)
    )
    return '<h2 class="part">Settings and versions</h2>' + card("", f"<table>{rows}</table>")
