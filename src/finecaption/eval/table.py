"""scores.json as a table: Markdown for a file, rich for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

HEADER = ("Attribute", "Accuracy", "95 %", "Exact", "Count", "By facet")
ON_SCREEN = 5  # columns that a terminal of 80 has room for


def percent(value: float | None) -> str:
    """A fraction as percent with one decimal; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f}"


def interval(values: Sequence[float] | None) -> str:
    """An interval of fractions in percent: "91.0–93.4"."""
    return "–" if values is None else f"{percent(values[0])}–{percent(values[1])}"


def attribute_rows(scores: dict[str, Any]) -> list[list[str]]:
    """One row per attribute, and the mean; columns as in HEADER, values in percent."""
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
    """The other measures, one sentence each."""
    settings = scores["settings"]
    which = " of combinations that never occur in training" if scores["unseen_only"] else ""
    out = [
        f"{settings['model']['name']} on {settings['data']['name']}: {scores['regions']} regions"
        f"{which} in {scores['pictures']} images. Accuracy: mean fraction of an attribute's "
        "facets that are stated correctly; 95 %: bootstrap over images; exact: all facets right."
    ]
    twins = scores["twins"]
    if twins:
        out.append(
            "Near-duplicate boxes (whole objects of one image whose boxes have an IoU of "
            f"{twins['box_iou_at_least']} or more): {percent(twins['accuracy'])} % of "
            f"{twins['count']} regions in {twins['pairs']} pairs are named right; both of a pair "
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
    inapplicable = scores["abstention"]
    if inapplicable:
        out.append(
            f"Inapplicable questions rejected: {percent(inapplicable['accuracy'])} % of "
            f"{inapplicable['count']}."
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
    """The text of table.md: the sentences, then the table."""
    text = "\n\n".join(summary(scores))
    return f"{text}\n\n{markdown(HEADER, attribute_rows(scores), left=(0, 5))}"
