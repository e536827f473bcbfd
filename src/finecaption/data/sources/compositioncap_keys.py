"""Under which names CompositionCap's reader looks for what; see `compositioncap`."""

from __future__ import annotations

import re
from typing import Any

# Keys without case and punctuation, in the order in which they are looked for.
IMAGE = (
    "image", "imagepath", "filename", "imagename", "imagefile", "imagefilename", "img", "imgpath",
    "imgname", "path", "picture",
)  # fmt: skip
IMAGE_ID = ("imageid", "imgid", "id")
ENTITIES = ("entities", "annotations", "objects", "regions", "instances", "masks", "segments")
MASK = (
    "mask", "maskbase64", "base64mask", "maskb64", "encodedmask", "maskdata", "segmentation",
    "binarymask", "rle", "maskrle", "maskpath", "maskfile", "segmentationmask",
)  # fmt: skip
ENTITY_ID = ("entityid", "regionid", "maskid", "objectid", "instanceid", "annotationid", "id")
ATTRIBUTES = (
    "attributes", "attributecaptions", "attributedescriptions", "compositionalattributes",
    "attributecaption", "captions", "descriptions", "aarc", "attribute", "caption",
)  # fmt: skip
DENSE = (
    "densecaption", "densecaptions", "regionaldensecaption", "detailedcaption",
    "detaileddescription", "densedescription", "dense", "paragraph", "regioncaption", "rdc",
    "caption", "captions", "descriptions", "text",
)  # fmt: skip
GLOBAL = (
    "globalcaption", "globalcaptions", "imagecaption", "globalimagecaption", "globaldescription",
    "imagedescription", "comprehensivecaption", "cgic", "caption", "description", "densecaption",
)  # fmt: skip
ATTRIBUTE_NAME = ("attribute", "attributename", "attributetype")
ATTRIBUTE_KEY = (*ATTRIBUTE_NAME, "name", "type", "key")
TEXT_KEY = ("caption", "text", "description", "value", "sentence", "answer")
RECORDS = ("data", "samples", "records", "items", "train", "val", "test", "dataset")
QUIET = {  # known, and of no use here
    "box", "bbox", "boundingbox", "area", "width", "height", "size", "imagesize", "imagewidth",
    "imageheight", "categoryid", "iscrowd", "split", "source", "licence", "license", "imageid",
    "info", "version", "format",
}  # fmt: skip
WIDTH = ("width", "imagewidth", "imgwidth", "w")
HEIGHT = ("height", "imageheight", "imgheight", "h")


def plain_key(key: str) -> str:
    """A key without case and punctuation."""
    return re.sub(r"[\W_]+", "", key).casefold()


def find_keys(record: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """The keys of a record that are among the names, in the order of the names."""
    plain = {plain_key(key): key for key in reversed(record)}
    return [plain[name] for name in names if name in plain]


def find_key(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of `find_keys`, or None."""
    return next(iter(find_keys(record, names)), None)


def value_of(record: dict[str, Any], *names: str) -> Any:
    """The value under the first of the names that the record has, or None."""
    key = find_key(record, names)
    return None if key is None else record[key]
