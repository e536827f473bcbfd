"""The report of a comparison: terminal, Markdown, page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finecaption.eval.answers import ScoredAnswer
from finecaption.eval.compare import compare
from finecaption.eval.examples import TASK_NAMES, EvaluatedRun, Example, line, open_run
from finecaption.eval.page import STYLE, example_card, table
from finecaption.eval.records import Record
from finecaption.eval.table import markdown, percent
from finecaption.io.atomic import write_json, write_text
from finecaption.io.html import card, escape, figure, page

HEADER = ("Attribute", "A, %", "B, %", "B - A", "95 %", "p", "p, Holm", "Answers")
METHOD = (
    "Differences are B - A in percentage points, on paired answers; 95 %: bootstrap over images; "
    "p: paired permutation over images (10,000 draws), for attributes also corrected for their "
    "number (Holm)."
)


def points(value: float) -> str:
    """A difference of fractions in percentage points: "+4.9"."""
    return f"{100 * value:+.1f}"


def p_value(value: float | None) -> str:
    """Three decimals, or "< 0.001"; a dash for None."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def around(values: Sequence[float] | None) -> str:
    """An interval of differences in points: "+3.2 to +6.5"; a dash for None."""
    return "–" if values is None else f"{points(values[0])} to {points(values[1])}"


def rows(found: Record) -> list[list[str]]:
    """Rows as HEADER: attributes, then their mean."""
    out = [
        [
            name,
            percent(r["a"]),
            percent(r["b"]),
            points(r["difference"]),
            around(r["interval"]),
            p_value(r["p"]),
            p_value(r["p_corrected"]),
            str(r["count"]),
        ]
        for name, r in found["attributes"].items()
    ]
    name = "Mean over attributes" if out else "All"
    out.append(
        [
            name,
            percent(found["a"]),
            percent(found["b"]),
            points(found["difference"]),
            around(found["interval"]),
            p_value(found["p"]),
            "",
            str(found["count"]),
        ]
    )
    return out


def verdict(found: Record, column: str, task: str) -> str:
    """The result in one sentence."""
    sure = found["interval"] is not None and (found["interval"][0] > 0 or found["interval"][1] < 0)
    better = "B is better" if found["difference"] > 0 else "A is better"
    said = better if sure and found["p"] < 0.05 else "no difference can be told"
    return (
        f"{task}, {column}: {said}: {points(found['difference'])} points "
        f"({around(found['interval'])}), p {p_value(found['p'])}, "
        f"{found['count']} paired answers in {found['pictures']} images."
    )


def verdicts(result: Record) -> list[str]:
    """One sentence per task and metric."""
    return [
        verdict(found, column, task)
        for task, columns in result["tasks"].items()
        for column, found in columns.items()
    ]


def lead(result: Record) -> str:
    """The sentence that names both runs."""
    a, b = result["a"], result["b"]
    alone = result["only_a"] + result["only_b"]
    rest = f" {alone} answers have no partner and are left out." if alone else ""
    return (
        f"A: {a['name']} ({a['folder']}). B: {b['name']} ({b['folder']}). Data: "
        f"{result['data']['name']}. {result['paired']} paired answers.{rest}"
    )


def examples(result: Record, first: EvaluatedRun) -> list[tuple[str, Example]]:
    """The answers that differ most: (which side is better, the example)."""
    out = []
    for both in result["different"]:
        a, b = ScoredAnswer.from_dict(both["a"]), ScoredAnswer.from_dict(both["b"])
        place = first.places[a.index, a.region_id]
        better = "B" if (b.figure or 0) > (a.figure or 0) else "A"
        asked, text_a, right, good_a = line(a)
        _, text_b, _, good_b = line(b)
        lines = ((f"A: {asked}", text_a, "", good_a), (f"B: {asked}", text_b, right, good_b))
        out.append((better, Example(place, None, lines)))
    return out


def markdown_comparison(result: Record, shown: Sequence[tuple[str, Example]]) -> str:
    """compare.md."""
    parts = ["# A against B", lead(result), *verdicts(result), METHOD]
    for task, columns in result["tasks"].items():
        for column, found in columns.items():
            parts += [f"## {column}, {task}", markdown(HEADER, rows(found), left=(0,))]
    if shown:
        parts.append("## Where they differ most")
        for better, example in shown:
            place = example.place
            where = f", region {place['region_id']}" if "region_id" in place else ""
            told = [f"- {better} better: {place['picture']}{where}"]
            told += [f"  - {asked}: “{text}”" for asked, text, _, _ in example.lines]
            right = example.lines[-1][2]
            parts.append("\n".join([*told, f"  - right: “{right}”"] if right else told))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def html_comparison(result: Record, shown: Sequence[tuple[str, Example]]) -> str:
    """compare.html."""
    a, b = result["a"]["name"], result["b"]["name"]
    title = f"{b} against {a}" if a != b else "A against B"
    told = verdicts(result)
    tiles = [
        figure(points(found["difference"]), f"points, {column}, {task} (p {p_value(found['p'])})")
        for task, columns in result["tasks"].items()
        for column, found in columns.items()
    ]
    body = [
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead(result))}</p>',
        f'<div class="figures">{"".join(tiles)}</div><div class="cards">',
        card("Result", "".join(f"<p>{escape(v)}</p>" for v in told), METHOD, True),
    ]
    for task, columns in result["tasks"].items():
        for column, found in columns.items():
            lines = rows(found)
            chart = _rows(found) if found["attributes"] else ""
            classes = [*[""] * (len(lines) - 1), "all"]
            text = chart + table(HEADER, lines, classes)
            body.append(card(f"{column}, {task}: {TASK_NAMES[task]}", text, "", True))
    body.append("</div>")
    for side, name in (("B", b), ("A", a)):
        own = [example_card(e) for better, e in shown if better == side]
        if own:
            heading = f"{side} better" + (f": {name}" if a != b else "")
            body.append(
                f'<h2 class="part">{escape(heading)}</h2><p class="part">The answers that differ '
                f'most, one a picture.</p><div class="examples">{"".join(own)}</div>'
            )
    return page(title, "\n".join(body), STYLE + _STYLE)


_STYLE = """
.balance { display: grid; gap: 5px; margin-bottom: 16px; }
.balance > div { display: grid; grid-template-columns: minmax(92px, 34%) 1fr 54px; gap: 10px;
  align-items: center; font-size: 14px; line-height: 1.25; }
.balance .beam { position: relative; height: 14px; background: var(--track); border-radius: 3px; }
.balance .beam::after { content: ""; position: absolute; left: 50%; top: -2px; bottom: -2px;
  width: 1px; background: var(--faint); }
.balance i { position: absolute; top: 0; bottom: 0; border-radius: 2px; }
.balance i.more { background: var(--good); } .balance i.less { background: var(--bad); }
.balance u { position: absolute; top: 6px; height: 2px; background: var(--ink); z-index: 1; }
.balance .v { text-align: right; font-variant-numeric: tabular-nums; }
.balance .unsure i { opacity: .38; }
"""


def _rows(found: Record) -> str:
    """Bars to either side of nothing; pale where the interval holds 0."""
    own = found["attributes"]
    reach = max(
        (abs(v) for r in own.values() for v in (*(r["interval"] or ()), r["difference"])),
        default=0.0,
    )
    reach = reach or 1.0

    def at(value: float) -> float:
        return 50 + 50 * value / reach

    out = []
    for name, r in own.items():
        low, high = r["interval"] or (r["difference"], r["difference"])
        left, right = sorted((at(0), at(r["difference"])))
        sure = "" if low > 0 or high < 0 else " class=unsure"
        side = "more" if r["difference"] > 0 else "less"
        out.append(
            f'<div{sure}><span>{escape(name)}</span><span class="beam">'
            f'<i class="{side}" style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
            f'<u style="left:{at(low):.1f}%;width:{at(high) - at(low):.1f}%"></u></span>'
            f'<span class="v">{escape(points(r["difference"]))}</span></div>'
        )
    return f'<div class="balance">{"".join(out)}</div>'


def write_comparison(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Compares two scored runs; with `out` writes compare.json, compare.md and compare.html there.

    Raises:
        InputError: a run has not been scored, or they have no question in common.
    """
    result = compare(first, second)
    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        shown = examples(result, open_run(first))
        write_json(folder / "compare.json", result)
        write_text(folder / "compare.md", markdown_comparison(result, shown))
        write_text(folder / "compare.html", html_comparison(result, shown))
    return result
