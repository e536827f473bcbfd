"""Samples -> CompositionCap's shape, masks as `base64(gzip(uint8 H x W))`.

The exact keys of the published JSON are not public; these are this project's choice, and
`finecaption.data.sources.compositioncap` reads them back equal. A list with an object an image::

    {"image": "a.jpg", "image_id": "a", "height": 6, "width": 8, "split": "train",
     "source": "own", "licence": "CC BY 4.0",
     "global_caption": "...",
     "entities": [{"entity_id": "1", "mask": "H4sI...",
                   "attributes": {"Hair": "..."}, "dense_caption": "..."}]}

A caption is a text, or a list of texts where a region has several of a kind. Captions that are
not there are left out; `entity_id` null says that a region has no id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from finecaption.data.record import compact_rle
from finecaption.errors import InputError
from finecaption.io import strict_json
from finecaption.io.atomic import replacing
from finecaption.io.compressed_masks import encode_base64_gzip
from finecaption.types import RegionSample


def write_compositioncap(samples: Iterable[RegionSample], path: str | os.PathLike[str]) -> int:
    """Writes samples as a CompositionCap file; in memory is one image's at a time.

    Samples of an image that follow one another come into one record; an image that comes again
    later gets another. Image paths are written relative to the file. The file is complete or not
    there: it is written under another name first.

    Returns:
        The number of images.

    Raises:
        InputError: a sample that the format cannot say: an image as array, a question of its own
            (`prompt`), a cgic sample on a part of the image; or an empty mask.
    """
    out = Path(path)
    out.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(out) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        for record in picture_records(samples, out.parent):
            stream.write("[\n" if count == 0 else ",\n")
            stream.write(strict_json.dumps(record, ensure_ascii=False))
            count += 1
        stream.write("\n]\n" if count else "[]\n")
    return count


def picture_records(
    samples: Iterable[RegionSample], root: str | os.PathLike[str]
) -> Iterator[dict[str, Any]]:
    """The records of `write_compositioncap`, one an image, paths relative to `root`."""
    current: tuple[Any, ...] | None = None
    record: dict[str, Any] = {}
    entities: dict[tuple[Any, ...], dict[str, Any]] = {}
    for sample in samples:
        _check(sample)
        common = (
            str(sample.image),
            sample.image_id,
            sample.size,
            sample.split,
            sample.source,
            sample.licence,
        )
        if common != current:
            if current is not None:
                yield {**record, "entities": list(entities.values())}
            current, record, entities = common, _picture(sample, root), {}
        if sample.task == "cgic":
            _add(record, "global_caption", sample.text)
            continue
        entity = _entity(sample, entities)
        if sample.task == "rdc":
            _add(entity, "dense_caption", sample.text)
        else:
            _add(entity.setdefault("attributes", {}), str(sample.attribute), sample.text)
    if current is not None:
        yield {**record, "entities": list(entities.values())}


def _check(sample: RegionSample) -> None:
    where = f"{sample.image_id or 'sample'}, region {sample.region_id}"
    if not isinstance(sample.image, (str, Path)):
        raise InputError(f"{where}: image: is an array; save it as a file first")
    if sample.prompt is not None:
        raise InputError(
            f"{where}: prompt: CompositionCap has no questions of a sample's own; write JSONL"
        )
    if sample.task == "cgic" and sample.mask is not None and not sample.region().mask.all():
        raise InputError(f"{where}: mask: a global caption is of the whole image")


def _picture(sample: RegionSample, root: str | os.PathLike[str]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "image": Path(os.path.relpath(str(sample.image), root)).as_posix(),
        "image_id": sample.image_id,
        "height": sample.size[1],
        "width": sample.size[0],
        "split": sample.split,
        "source": sample.source,
        "licence": sample.licence,
    }
    return record


def _entity(
    sample: RegionSample, entities: dict[tuple[Any, ...], dict[str, Any]]
) -> dict[str, Any]:
    """The record of a sample's region: the one with its id and mask, or a new one."""
    assert sample.mask is not None  # only cgic may have none
    key = (sample.region_id, compact_rle(sample.mask)["counts"])
    if key not in entities:
        mask = encode_base64_gzip(sample.region().mask)
        entities[key] = {"entity_id": sample.region_id, "mask": mask}
    return entities[key]


def _add(record: dict[str, Any], key: str, text: str) -> None:
    """A text, or one more of a kind."""
    known = record.get(key)
    if known is None:
        record[key] = text
    else:
        record[key] = [*known, text] if isinstance(known, list) else [known, text]
