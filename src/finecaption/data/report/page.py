"""The frame of a page, its style, and plots as inline SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence

PALETTE = (
    "#d7263d", "#1b6ef3", "#00915a", "#e07a00", "#8338ec", "#0095a8", "#c2259b", "#6b7a00",
    "#9c5221", "#3b3fb6",
)  # fmt: skip
"""Outline colours of regions; they repeat."""

_STYLE = """
:root { --paper: #fbfaf7; --card: #fff; --ink: #20242c; --faint: #6a727d; --rule: #e3e0d8;
  --bar: #3267b5; --bar-soft: #dbe5f4; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 0 0 12px; }
.lead { color: var(--faint); margin: 0 0 24px; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)); gap: 18px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 16px 18px; min-width: 0; }
.wide { grid-column: 1 / -1; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px;
  margin: 0 0 18px; }
.figure { background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
  padding: 10px 14px; }
.figure b { display: block; font-size: 22px; line-height: 1.2; }
.figure span, .note { color: var(--faint); font-size: 13px; }
.note { margin: 8px 0 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--faint); }
th, td { padding: 3px 10px 3px 0; vertical-align: top; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg.plot { display: block; width: 100%; height: auto; }
svg.plot text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
svg.plot text.soft { fill: var(--faint); }
svg.plot rect.bar { fill: var(--bar); }
svg.plot line { stroke: var(--rule); }
@media (max-width: 560px) { .cards { grid-template-columns: 1fr; } main { padding: 16px; } }
@media print { .card { break-inside: avoid; } }
"""


def escape(text: object) -> str:
    """Text for HTML, attributes included."""
    return html.escape(str(text), quote=True)


def page(title: str, body: str, style: str = "", script: str = "") -> str:
    """A whole HTML file."""
    tail = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n{tail}</body>\n</html>\n"
    )


def figure(value: str, name: str) -> str:
    """A large number with its name."""
    return f'<div class="figure"><b>{escape(value)}</b><span>{escape(name)}</span></div>'


def card(title: str, content: str, note: str = "", wide: bool = False) -> str:
    """A box with a title."""
    kind = "card wide" if wide else "card"
    foot = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{content}{foot}</section>'


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table: the first column is text, all others are numbers."""

    def cells(row: Sequence[object], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=n' if place else ''}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{cells(heads, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def bars(rows: Sequence[tuple[str, float]], form: str = "{:,.0f}", label_width: int = 0) -> str:
    """Horizontal bars with their names before and their values behind them."""
    if not rows:
        return '<p class="note">Nothing to show.</p>'
    width, step = 520, 22
    longest = max(len(name) for name, _ in rows)
    left = label_width or min(260, 10 + 7 * longest)
    most = max((value for _, value in rows), default=0) or 1
    room = width - left - 70
    parts = []
    for place, (name, value) in enumerate(rows):
        y = place * step
        length = max(1.0, room * value / most) if value else 0
        shown = name if len(name) <= (left - 8) // 6.6 else name[: int((left - 8) // 6.6) - 1] + "…"
        parts.append(
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(shown)}'
            f"<title>{escape(name)}</title></text>"
            f'<rect class="bar" x="{left}" y="{y + 4}" width="{length:.1f}" height="14" rx="2"/>'
            f'<text class="soft" x="{left + length + 6:.1f}" y="{y + 15}">'
            f"{escape(form.format(value))}</text>"
        )
    height = len(rows) * step + 2
    return _svg(width, height, "".join(parts))


def histogram(labels: Sequence[str], counts: Sequence[int], axis: str) -> str:
    """Upright bars without gaps, a label under each, or under every second or third."""
    if not sum(counts):
        return '<p class="note">Nothing to show.</p>'
    width, height, top, bottom, left = 520, 210, 18, 44, 8
    most = max(counts)
    step = (width - 2 * left) / len(counts)
    every = 1
    while max(map(len, labels)) * 6.6 + 6 > step * every and every < len(labels):
        every += 1
    base = height - bottom
    parts = [f'<line x1="{left}" x2="{width - left}" y1="{base}" y2="{base}"/>']
    for place, (label, count) in enumerate(zip(labels, counts, strict=True)):
        x, tall = left + place * step, (base - top) * count / most
        tall = max(tall, 1.0) if count else 0.0
        parts.append(
            f'<rect class="bar" x="{x + 1:.1f}" y="{base - tall:.1f}" '
            f'width="{max(step - 2, 1):.1f}" height="{tall:.1f}" rx="1">'
            f"<title>{escape(label)}: {count:,}</title></rect>"
        )
        middle = x + step / 2
        if count == most:
            parts.append(
                f'<text class="soft" x="{middle:.1f}" y="{base - tall - 5:.1f}" '
                f'text-anchor="middle">{count:,}</text>'
            )
        if place % every == 0:
            parts.append(
                f'<text x="{middle:.1f}" y="{base + 16}" text-anchor="middle">{escape(label)}'
                "</text>"
            )
    parts.append(
        f'<text class="soft" x="{width / 2}" y="{height - 6}" text-anchor="middle">'
        f"{escape(axis)}</text>"
    )
    return _svg(width, height, "".join(parts))


def _svg(width: int, height: int, content: str) -> str:
    return f'<svg class="plot" viewBox="0 0 {width} {height}" role="img">{content}</svg>'
