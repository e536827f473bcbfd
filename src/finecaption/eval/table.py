"""scores.json as a table: Markdown for a file, rich for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

HEADER = ("Attribute", "Accuracy", "95 %", "Exact", "Count", "By facet")
ON_SCREEN = 5  # columns that a terminal of 80 has room for


def percent(value: float | None) -> str:
    """A share as percent with one decimal; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f}"


def interval(values: Sequence[float] | None) -> str:
    """An interval of shares in percent: "91.0–93.4"."""
    return "–" if values is None else f"{percent(values[0])}–{percent(values[1])}"


def attribute_rows(scores: dict[str, Any]) -> list[list[str]]:
    """A row an attribute, and the mean; columns as HEADER, figures in percent."""
    rows = []
    for name, s in scores["attributes"].items():
        facets = s["facets"] if len(s["facets"]) > 1 else {}
        told = ", ".join(f"{k} {percent(v['accuracy'])} ({v['count']})" for k, v in facets.items())
        rows.append(
            [
                name,
                percent(s["accuracy"]),
                interval(s["interval"]),
                percent(s["exact"]),
                str(s["count"]),
                told,
            ]
        )
    rows.append(
        [
            "Mean over attributes",
            percent(scores["mean_accuracy"]),
            interval(scores["mean_interval"]),
            percent(scores["mean_exact"]),
            str(scores["questions"]),
            "",
        ]
    )
    return rows


def summary(scores: dict[str, Any]) -> list[str]:
    """What else was measured, a sentence each."""
    settings = scores["settings"]
    which = " of combinations that training never shows" if scores["unseen_only"] else ""
    out = [
        f"{settings['model']['name']} on {settings['data']['name']}: {scores['regions']} regions"
        f"{which} in {scores['pictures']} pictures. Accuracy: mean share of an attribute's facets "
        "that are stated right; 95 %: bootstrap over pictures; exact: all facets right."
    ]
    twins = scores["twins"]
    if twins:
        out.append(
            f"Twins (wholes of one picture whose boxes have an IoU of {twins['box_iou_at_least']} "
            f"or more): named as itself and not as its twin {percent(twins['accuracy'])} % of "
            f"{twins['count']} regions in {twins['pairs']} pairs; both of a pair "
            f"{percent(twins['both_right'])} %."
        )
    clicks = scores["clicks"]
    if clicks:
        told = [
            f"{name} "
            + " / ".join(f"{v:.3f}" for v in clicks[name]["mean_iou"].values())
            + f" ({clicks[name]['count']})"
            for name in ("wholes", "parts")
            if name in clicks
        ]
        out.append(f"Mean IoU after 1 / 3 / 5 clicks: {', '.join(told)}.")
    tricks = scores["abstention"]
    if tricks:
        out.append(
            f"Questions that cannot apply, answered so: {percent(tricks['accuracy'])} % of "
            f"{tricks['count']}."
        )
    return out


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """A Markdown table; columns not in `left` are aligned to the right."""
    rule = ["---" if i in left else "---:" for i in range(len(header))]
    lines = [header, rule, *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def rich_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]) -> Table:
    """The same for the terminal."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def report(scores: dict[str, Any]) -> str:
    """table.md: the sentences, then the table."""
    text = "\n\n".join(summary(scores))
    return f"{text}\n\n{markdown(HEADER, attribute_rows(scores), left=(0, 5))}"
