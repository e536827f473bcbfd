from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from finecaption.data.sources import SOURCE_NAMES, open_source, source_class, source_options
from finecaption.errors import InputError


@pytest.mark.parametrize("name", SOURCE_NAMES)
def test_every_reader_is_there_under_its_own_name(name: str, tmp_path: Path) -> None:
    cls = source_class(name)
    assert cls.name == name
    assert not inspect.isabstract(cls)
    assert inspect.getdoc(cls)
    assert {"images", "split", "problems", "deep"} <= set(source_options(name))


def test_unknown_names_and_options(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean refcoco"):
        open_source("refcocog", tmp_path)
    with pytest.raises(InputError, match="choose from coco-captions, "):
        open_source("xyz", tmp_path)
    with pytest.raises(InputError, match="jsonl: no option 'fast'; it takes deep, "):
        open_source("jsonl", tmp_path, fast=True)
    with pytest.raises(InputError, match="none: no such file or folder"):
        open_source("jsonl", tmp_path / "none")
    with pytest.raises(InputError, match="pics: is not a folder"):
        open_source("jsonl", tmp_path, images=tmp_path / "pics")
    with pytest.raises(InputError, match="one of raise, skip"):
        open_source("jsonl", tmp_path, problems="stop")
    assert source_options("synth")["sentences"] == 1


def test_no_reader_needs_torch() -> None:
    code = (
        "import sys\nfrom finecaption.data.sources import SOURCE_NAMES, source_class\n"
        "[source_class(name) for name in SOURCE_NAMES]\n"
        "import finecaption.data.writers.compositioncap\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
