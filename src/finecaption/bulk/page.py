"""One HTML file with thumbnails of all images and outlined regions, a screenful at a time.

Each image is a line of JSON in the file; the browser makes elements only of those on the page
that is looked at. `#p=3` in the address is page 3, `#q=red` a search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from finecaption.bulk.tables import Records, written
from finecaption.errors import InputError
from finecaption.io import masks, strict_json
from finecaption.io.html import PALETTE, data_uri, fit, outline, render, shown_mask
from finecaption.io.images import load_image

MOST = 5000
"""Images in the file at most: some 20 kB each. The page says how many are left out."""

_SIDE = 384  # longer side of the copies
_AHEAD = 16


def write_html(path: Path, read: Records, title: str, threads: int = 2) -> int:
    """The page.

    Args:
        read: gives the records.
        title: heading.
        threads: that open images.

    Returns:
        How many images were left out of it (see `MOST`).
    """
    total = sum(1 for _ in read())
    shown = min(total, MOST)
    mark = "@records@"
    whole = render(
        __package__,
        "batch.html",
        title=f"{title}: captions",
        heading=title,
        total=total,
        shown=shown,
        palette=PALETTE,
        mark=mark,
    )
    before, after = whole.split(mark)
    with written(path) as stream:
        stream.write(before)
        for line in _lines(read(), shown, threads):
            # a tag in a text must not end the block of data
            stream.write(strict_json.dumps(line).replace("<", "\\u003c") + "\n")
        stream.write(after)
    return total - shown


def _lines(
    records: Iterable[Mapping[str, Any]], most: int, threads: int
) -> Iterator[dict[str, Any]]:
    pending: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number, record in enumerate(records):
            if number == most:
                break
            pending.append(pool.submit(_line, record))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _line(record: Mapping[str, Any]) -> dict[str, Any]:
    size = fit((record["width"], record["height"]), _SIDE)
    name = str(record["id"]).encode("utf-8", "replace").decode()
    line: dict[str, Any] = {"id": name, "w": size[0], "h": size[1], "said": []}
    try:
        if record["image"] is None:
            raise InputError("The image is inside a dataset, and is not shown here.")
        picture = load_image(record["image"]).resize(size, Image.Resampling.LANCZOS)
        line["data"] = data_uri(picture, quality=82)
    except InputError as error:
        line["gone"] = str(error).encode("utf-8", "replace").decode()
    for region in record["regions"]:
        mask = masks.decode_rle(region["mask"])
        lines = list(region["captions"].items())
        if region["dense"] is not None:
            lines.append(("In detail", region["dense"]))
        path = "" if mask.all() else outline(shown_mask(mask, size))
        line["said"].append({"path": path, "lines": lines})
    if record["global"] is not None:
        line["said"].append({"path": "", "lines": [["", record["global"]]]})
    if record["notice"] is not None:
        line["notice"] = record["notice"]["text"]
    return line
