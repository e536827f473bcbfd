"""The readers by name. One file a dataset; each is imported when it is asked for.

for sample in open_source("refcoco", "data/refcoco", split="train"):
    ...
"""

from __future__ import annotations

import difflib
import inspect
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from finecaption import plugins
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.data.sources.base import Source

_READERS = {  # name -> module: class
    "coco-captions": "coco:CocoCaptions",
    "coco-instances": "coco:CocoInstances",
    "coco-panoptic": "coco_panoptic:CocoPanoptic",
    "compositioncap": "compositioncap:CompositionCap",
    "dlc-bench": "dlc_bench:DlcBench",
    "folder": "folder:Folder",
    "grand": "grand:Grand",
    "jsonl": "jsonl:Jsonl",
    "llava-pretrain": "llava_pretrain:LlavaPretrain",
    "open-images": "open_images:OpenImages",
    "osprey": "osprey:Osprey",
    "pix2cap": "coco_captioned:Pix2Cap",
    "refcoco": "refcoco:RefCoco",
    "results": "results:Results",
    "results-coco": "results:ResultsCoco",
    "ureca": "coco_captioned:Ureca",
    "visual-genome": "visual_genome:VisualGenome",
}
_GROUP = "finecaption.sources"
SOURCE_NAMES: tuple[str, ...] = tuple(sorted({*_READERS, *plugins.names(_GROUP)}))
"""All readers, with those of other packages."""


def source_class(name: str) -> type[Source]:
    """The reader of that name.

    Raises:
        InputError: there is none; the message offers the nearest, or all.
    """
    if plugins.offers(_GROUP, name):
        reader: type[Source] = plugins.load(_GROUP, name)
        return reader
    if name not in _READERS:
        near = difflib.get_close_matches(name, SOURCE_NAMES, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        raise InputError(
            f"unknown dataset format {name!r}; {hint or 'choose from ' + ', '.join(SOURCE_NAMES)}"
        )
    module, _, attribute = _READERS[name].partition(":")
    found: type[Source] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found


def source_options(name: str) -> dict[str, Any]:
    """The options that the reader of that name takes, with their defaults."""
    options: dict[str, Any] = {}
    for cls in reversed(source_class(name).__mro__):
        if "__init__" in cls.__dict__ and cls is not object:
            parameters = inspect.signature(cls.__dict__["__init__"]).parameters.values()
            options |= {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return options


def open_source(name: str, path: str | os.PathLike[str], **options: Any) -> Source:
    """A dataset on disk, by the name of its reader.

    Args:
        name: one of `SOURCE_NAMES`.
        path: see docs/datasets.md for what each expects.
        options: those of `Source`, and the reader's own; see `source_options`.

    Raises:
        InputError: unknown name or option, or no such path.
    """
    cls = source_class(name)
    known = source_options(name)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(f"{name}: no option {unknown[0]!r}; it takes {', '.join(sorted(known))}")
    return cls(path, **options)
