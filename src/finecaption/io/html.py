"""HTML pages: one frame and style, parts that several pages share, images inside the page.

Templates are Jinja2 files in the folder `templates` of the package that renders them; those of
this package, `frame.html` and `blocks.html`, are found from everywhere. Text is escaped unless it
is `Markup`. Pages make no requests: styles, scripts and images stand inside.
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Undefined
from markupsafe import Markup, escape
from PIL import Image

from finecaption.io import masks
from finecaption.io.geometry import Size

PALETTE = (
    "#d7263d", "#1b6ef3", "#00915a", "#e07a00", "#8338ec", "#0095a8", "#c2259b", "#6b7a00",
    "#9c5221", "#3b3fb6",
)  # fmt: skip
"""Outline colors of regions; they repeat."""

_HOME = "finecaption.io"


@functools.cache
def environment(package: str = _HOME, *, strict: bool = True) -> Environment:
    """The templates of a package, and this package's.

    Args:
        package: its dotted name.
        strict: whether a missing value is an error; switch it off to walk through foreign JSON.
    """
    packages = dict.fromkeys([package, _HOME])
    return Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=StrictUndefined if strict else Undefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(package: str | None, name: str, /, *, strict: bool = True, **values: Any) -> str:
    """A template with its values filled in.

    Args:
        package: that the template belongs to: the caller's `__package__`.
        name: of the template's file.
    """
    return environment(package or _HOME, strict=strict).get_template(name).render(values)


def source(package: str | None, name: str) -> str:
    """The text of a template file: a style or a script."""
    return environment(package or _HOME).get_template(name).render()


def macro(package: str | None, name: str, part: str, /, **values: Any) -> str:
    """One macro of a template, as HTML in a plain string: `Markup` would escape what is added."""
    module = environment(package or _HOME).get_template(name).module
    return str(getattr(module, part)(**values))


def page(title: str, body: str, style: str = "", script: str = "") -> str:
    """A whole HTML file in the frame.

    Args:
        title: plain text.
        body, style, script: HTML, CSS and JavaScript, taken as they are.
    """
    tail = Markup("<script>" + script + "</script>") if script else ""
    return render(
        _HOME, "page.html", title=title, body=Markup(body), style=Markup(style), script=tail
    )


_block = functools.partial(macro, _HOME, "blocks.html")


def figure(value: str, name: str) -> str:
    """A large number with its name."""
    return _block("figure", value=value, name=name)


def card(title: str, content: str, note: str = "", wide: bool = False) -> str:
    """A box with a title; `content` is HTML."""
    return _block("card", title=title, content=Markup(content), note=note, wide=wide)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table: the first column is text, all others are numbers."""
    return _block("table", heads=heads, rows=rows)


def bars(rows: Sequence[tuple[str, float]], form: str = "{:,.0f}", label_width: int = 0) -> str:
    """Horizontal bars with their names before and their values behind them."""
    width, step = 520, 22
    longest = max((len(name) for name, _ in rows), default=0)
    left = label_width or min(260, 10 + 7 * longest)
    most = max((value for _, value in rows), default=0) or 1
    letters = int((left - 8) // 6.6)
    shown = [
        {
            "y": place * step,
            "name": name,
            "shown": name if len(name) <= letters else name[: letters - 1] + "…",
            "length": max(1.0, (width - left - 70) * value / most) if value else 0,
            "value": form.format(value),
        }
        for place, (name, value) in enumerate(rows)
    ]
    return _block("bars", rows=shown, left=left, width=width, height=len(rows) * step + 2)


def histogram(labels: Sequence[str], counts: Sequence[int], axis: str) -> str:
    """Upright bars without gaps, a label under each, or under every second or third."""
    width, height, top, bottom, left = 520, 210, 18, 44, 8
    base, most = height - bottom, max(counts, default=0)
    step = (width - 2 * left) / max(1, len(counts))
    every = 1
    while max(map(len, labels), default=0) * 6.6 + 6 > step * every and every < len(labels):
        every += 1
    shown = [
        {
            "x": left + place * step + 1,
            "middle": left + (place + 0.5) * step,
            "width": max(step - 2, 1),
            "tall": max((base - top) * count / most, 1.0) if count else 0.0,
            "label": label,
            "count": f"{count:,}",
            "largest": count == most,
            "labeled": place % every == 0,
        }
        for place, (label, count) in enumerate(zip(labels, counts, strict=True))
    ]
    return _block(
        "histogram",
        bars=shown if most else [],
        axis=axis,
        left=left,
        width=width,
        height=height,
        base=base,
    )


def data_uri(image: Image.Image | bytes, kind: str = "jpeg", *, quality: int = 85) -> str:
    """An image inside an address, so that a page needs no other file.

    Args:
        image: or its encoded file, whose `kind` is then taken as given.
        kind: jpeg or png.
        quality: of JPEG.
    """
    data = image
    if isinstance(data, Image.Image):
        stream = io.BytesIO()
        if kind == "jpeg":
            data.convert("RGB").save(stream, "JPEG", quality=quality, optimize=True)
        else:
            data.save(stream, kind.upper())
        data = stream.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def fit(size: Size, side: int) -> Size:
    """(width, height) scaled down to a longer side of at most `side`; at least 1 pixel each."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shown_mask(mask: np.ndarray, size: Size) -> np.ndarray:
    """A mask at the size at which it is shown; one that would vanish becomes its box.

    Args:
        mask: bool (H, W), not empty.
        size: (width, height).

    Returns:
        bool (height, width), not empty.
    """
    small = masks.resize_mask(mask, size)
    if small.any():
        return small
    x0, y0, x1, y1 = masks.box_from_mask(mask)
    across, down = size[0] / mask.shape[1], size[1] / mask.shape[0]
    return masks.mask_from_box((x0 * across, y0 * down, x1 * across, y1 * down), size)


def outline(mask: np.ndarray) -> str:
    """A mask's border as `d` of an SVG path, in its own pixels; fill it by the even-odd rule."""
    loops = masks.contours(mask)
    return " ".join("M" + " ".join(f"{x},{y}" for x, y in loop.tolist()) + "Z" for loop in loops)


__all__ = [
    "PALETTE",
    "Markup",
    "bars",
    "card",
    "data_uri",
    "escape",
    "figure",
    "fit",
    "histogram",
    "macro",
    "outline",
    "page",
    "render",
    "shown_mask",
    "source",
    "table",
]
