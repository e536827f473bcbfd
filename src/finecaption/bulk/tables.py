"""CSV and COCO files, written from the records when a run ends, without holding them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pycocotools import mask as coco_mask

from finecaption.bulk.journal import DiskErrors
from finecaption.data.sources.results import COCO_DESCRIPTION
from finecaption.io import strict_json
from finecaption.io.atomic import replacing

Records = Callable[[], Iterable[Mapping[str, Any]]]


@contextmanager
def written(path: Path, errors: str = "strict") -> Iterator[TextIO]:
    """A text file that appears when it is complete."""
    with (
        DiskErrors(path),
        replacing(path) as part,
        part.open("w", encoding="utf-8", newline="", errors=errors) as stream,
    ):
        yield stream


_RUN = ("=", "+", "-", "@", "\t")


def cell(text: str) -> str:
    """A text that spreadsheets show and do not run: what they take for a formula begins with an
    apostrophe, and carriage returns, which end a row for some readers, are written as \\r."""
    text = text.replace("\r", "\\r")
    return f"'{text}" if text.startswith(_RUN) else text


def write_csv(path: Path, read: Records) -> None:
    """Writes a row per region or whole image, with a column per attribute."""
    names: dict[str, None] = {}
    for record in read():
        for region in record["regions"]:
            names.update(dict.fromkeys(region["captions"]))
    heads = ["id", "image", "width", "height", "region", "x0", "y0", "x1", "y1", *names]
    # surrogateescape: file names that are no UTF-8 come out as the bytes that they are
    with written(path, "surrogateescape") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow([*map(cell, heads), "dense", "global"])
        for record in read():
            name, image = cell(record["id"]), cell(record["image"] or "")
            first = [name, image, record["width"], record["height"]]
            for region in record["regions"]:
                said = [cell(region["captions"].get(name, "")) for name in names]
                dense = cell(region["dense"] or "")
                table.writerow([*first, cell(region["id"]), *region["box"], *said, dense, ""])
            if record["global"] is not None:
                table.writerow([*first, *[""] * (5 + len(names)), "", cell(record["global"])])


def write_coco(path: Path, read: Records) -> None:
    """Writes COCO's layout: one annotation per region with its mask as RLE; pycocotools loads it.

    `caption` is a region's first answer; `captions` and `dense` have all. The paragraph on a whole
    image is its image's `caption`. Ids of images are those of the COCO file that the images
    came from, or else numbers from 1.
    """
    with written(path) as stream:
        stream.write(f'{{"info": {{"description": "{COCO_DESCRIPTION}"}},\n')
        stream.write('"licenses": [],\n"categories": [{"id": 1, "name": "region"}],\n"images": [')
        for place, (record, number) in enumerate(_numbered(read)):
            image: dict[str, Any] = {
                "id": number,
                "file_name": record["id"],
                "width": record["width"],
                "height": record["height"],
            }
            if record["global"] is not None:
                image["caption"] = record["global"]
            if record.get("meta") is not None:
                image["meta"] = record["meta"]
            stream.write((",\n" if place else "\n") + strict_json.dumps(image))
        stream.write('],\n"annotations": [')
        total = 0
        for record, number in _numbered(read):
            for region in record["regions"]:
                total += 1
                text = strict_json.dumps(_annotation(region, total, number))
                stream.write((",\n" if total > 1 else "\n") + text)
        stream.write("]}\n")


def _numbered(read: Records) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Records with the ids of their images."""
    for number, record in enumerate(read(), 1):
        own = record.get("image_id")
        yield record, number if own is None else own


def _annotation(region: Mapping[str, Any], number: int, image: int) -> dict[str, Any]:
    x0, y0, x1, y1 = region["box"]
    rle = region["mask"]
    area = coco_mask.area({"size": rle["size"], "counts": rle["counts"].encode("ascii")})
    said = [*region["captions"].values(), region["dense"] or ""]
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": int(area),
        "segmentation": rle,
        "region": region["id"],
        "caption": said[0],
        "captions": region["captions"],
        "dense": region["dense"],
    }
