"""Outputs that meet what is there already, lead elsewhere, or do not fit on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from .case import Case, Place, command
from .drawing import image
from .jsonl_and_folders import GOOD

KIND = "outputs"
_KEPT = "kept"
Prepare = Callable[[], object]


def _write(name: str) -> Prepare:
    return lambda: Path(name).write_text(_KEPT)


def _sources() -> None:
    Path("in").mkdir()
    image().save("in/pic.png")
    Path("in/d.jsonl").write_text(json.dumps(GOOD))


def _run(prepare: Prepare, arguments: tuple[str, ...], kept: str, place: Place) -> str:
    """The command, which must leave the file `kept` as it was."""
    _sources()
    prepare()
    before = Path(kept).read_bytes() if kept else b""
    try:
        command(*arguments)
    finally:
        if kept:
            assert Path(kept).read_bytes() == before, f"{kept} is changed"
    return "done"


_DATA = ("data", "convert", "in/d.jsonl", "--to")
_BATCH = ("batch", "in", "--attribute", "Color", "--device", "cpu", "--out")
_CAPTION = ("caption", "in/pic.png", "--global", "--save")
_NONE: Prepare = lambda: None  # noqa: E731 # short

CASES: dict[str, tuple[Prepare, tuple[str, ...], str, str]] = {  # -> kept file, word
    "a store onto a file": (_write("o"), (*_DATA, "parquet", "--out", "o"), "o", "o"),
    "--overwrite of the source's folder": (
        _NONE, (*_DATA, "parquet", "--out", "in", "--overwrite"), "in/d.jsonl", "in"),
    "JSONL onto its own source": (_NONE, (*_DATA, "jsonl", "--out", "in/d.jsonl"), "in/d.jsonl", "d.jsonl"),
    "JSONL onto another file": (_write("o.jsonl"), (*_DATA, "jsonl", "--out", "o.jsonl"), "o.jsonl", "o.jsonl"),
    "JSONL onto a folder": (lambda: Path("o.jsonl").mkdir(), (*_DATA, "jsonl", "--out", "o.jsonl"), "", "o.jsonl"),
    "JSONL below a file": (_write("f"), (*_DATA, "jsonl", "--out", "f/o.jsonl"), "f", "f"),
    "a store below a file": (_write("f"), (*_DATA, "parquet", "--out", "f/o"), "f", "f"),
    "an unknown target": (_NONE, (*_DATA, "csv", "--out", "o"), "", "csv"),
    "CompositionCap onto a folder": (
        lambda: Path("o.json").mkdir(), (*_DATA, "compositioncap", "--out", "o.json"), "", "o.json"),
    "a name that is too long": (_NONE, (*_DATA, "jsonl", "--out", "o" * 300 + ".jsonl"), "", "o"),
    "NUL in the name": (_NONE, (*_DATA, "jsonl", "--out", "a\0.jsonl"), "", ""),
    "records below a file": (_write("f"), (*_BATCH, "f/r.jsonl"), "f", "f"),
    "records onto a folder": (lambda: Path("r.jsonl").mkdir(), (*_BATCH, "r.jsonl"), "", "r.jsonl"),
    "records onto another file": (_write("r.jsonl"), (*_BATCH, "r.jsonl"), "r.jsonl", "r.jsonl"),
    "records of an unknown format": (_NONE, (*_BATCH, "r", "--format", "xml"), "", "xml"),
    "records with an unknown remedy": (
        _write("r.jsonl"), (*_BATCH, "r.jsonl", "--on-existing", "perhaps"), "r.jsonl", "on-existing"),
    "an image onto itself": (_NONE, (*_CAPTION, "in/pic.png"), "in/pic.png", "overwrite"),
    "an image onto itself by a link": (
        lambda: os.symlink("in/pic.png", "l.png"), (*_CAPTION, "l.png"), "in/pic.png", "overwrite"),
    "an image onto itself by a hard link": (
        lambda: os.link("in/pic.png", "l.png"), (*_CAPTION, "in/../in/pic.png"), "in/pic.png", "overwrite"),
    "an image onto a folder": (lambda: Path("o.png").mkdir(), (*_CAPTION, "o.png"), "", "folder"),
    "an image into no folder": (_NONE, (*_CAPTION, "none/o.png"), "", "none"),
    "an image below a file": (_write("f"), (*_CAPTION, "f/o.png"), "f", "f"),
    "an image of an unknown kind": (_NONE, (*_CAPTION, "o.xcf"), "", "o.xcf"),
    "an image without a suffix": (_NONE, (*_CAPTION, "o"), "", "--save"),
    "a page below a file": (_write("f"), ("data", "view", "in/d.jsonl", "--out", "f/o.html"), "f", "f"),
    "a page onto a folder": (lambda: Path("o.html").mkdir(), ("data", "view", "in/d.jsonl", "--out", "o.html"), "", "o.html"),
    "a part of no weight": (_NONE, ("data", "split", "in/d.jsonl", "a=0", "--out", "o"), "", "a"),
    "a part that leads elsewhere": (
        _NONE, ("data", "split", "in/d.jsonl", "../../outside/x=1", "--out", "o"), "", "x"),
    "a sample of none": (_NONE, ("data", "sample", "in/d.jsonl", "--count", "0", "--out", "o"), "", "count"),
}  # fmt: skip


def cases() -> Iterator[Case]:
    """All of this file."""
    for name, (prepare, arguments, kept, word) in CASES.items():
        yield Case(KIND, name, partial(_run, prepare, arguments, kept), word=word)
    beside = (
        ("a store into a folder of other things",
         lambda: (Path("o").mkdir(), Path("o/x.txt").write_text(_KEPT)), "o", "o/x.txt"),
        ("a store into its source's folder", _NONE, "in", "in/d.jsonl"),
    )  # fmt: skip
    for name, prepare, out, kept in beside:
        arguments = (*_DATA, "parquet", "--out", out)
        yield Case(KIND, name, partial(_run, prepare, arguments, kept), "done")
    for form, out in (("jsonl", "o.jsonl"), ("parquet", "o"), ("compositioncap", "o.json")):
        arguments = (*_DATA, form, "--out", out)
        yield Case(KIND, f"{form} where nothing is", partial(_run, _NONE, arguments, ""), "done")
