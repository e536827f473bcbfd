"""A model without torch, and folders of pictures for it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.bulk import BatchSummary, Layout, RunSettings, caption_bulk, open_jobs
from finecaption.bulk.pipeline import Batching
from tests.bulk.running import COLOR, Run


@pytest.fixture(scope="session")
def stub() -> ModuleType:
    """The module stub.py."""
    spec = importlib.util.spec_from_file_location("bulk_stub", Path(__file__).with_name("stub.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bulk_stub"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def _picture(path: Path, seed: int = 0, size: tuple[int, int] = (24, 16)) -> Path:
    """A small picture of noise; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def _mask(path: Path, box: tuple[int, int, int, int], size: tuple[int, int] = (24, 16)) -> Path:
    values = np.zeros((size[1], size[0]), np.uint8)
    values[box[1] : box[3], box[0] : box[2]] = 255
    Image.fromarray(values).save(path)
    return path


@pytest.fixture(scope="session")
def draw() -> Callable[..., Path]:
    """draw(path, seed, size) -> a picture file of noise."""
    return _picture


@pytest.fixture(scope="session")
def mask() -> Callable[..., Path]:
    """mask(path, box, size) -> a mask file with a filled box."""
    return _mask


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with 2 good pictures with masks, 3 without, and all that can go wrong."""
    root = tmp_path / "pictures"
    _picture(root / "a.jpg", 1)
    _mask(root / "a.mask.png", (2, 3, 10, 9))
    _picture(root / "b.png", 2)
    _mask(root / "b.1.mask.png", (0, 0, 4, 4))
    _mask(root / "b.2.mask.png", (5, 5, 9, 9))
    _picture(root / "sub" / "a.jpg", 3)
    _picture(root / "sub" / "a.png", 4)
    _picture(root / "sub" / "ünï" / "日本.png", 5)
    (root / "sub" / "zero.jpg").write_bytes(b"")
    (root / "sub" / "text.png").write_text("no image")
    (root / "torn.png").write_bytes((root / "b.png").read_bytes()[:300])
    _mask(root / "lone.mask.png", (0, 0, 4, 4))
    _picture(root / ".hidden.png", 6)
    _picture(root / ".dark" / "x.png", 6)
    _picture(root / "a.annotated.png", 6)
    (root / "notes.txt").write_text("no picture, and no matter")
    (root / "sub" / "loop").symlink_to(root)
    (root / "sub" / "self").symlink_to(root / "sub" / "self")
    return root


GOOD = ["a.jpg", "b.png", "sub/a.jpg", "sub/a.png", "sub/ünï/日本.png"]
BAD = ["lone.mask.png", "sub/text.png", "sub/zero.jpg", "torn.png"]


@pytest.fixture
def good() -> list[str]:
    """Ids of the good ones."""
    return list(GOOD)


@pytest.fixture
def bad() -> list[str]:
    """Ids of the bad ones."""
    return list(BAD)


@pytest.fixture
def run(stub: ModuleType, tmp_path: Path, pictures: Path) -> Run:
    """run(out="c.jsonl", formats="", settings=..., model=..., source=..., **options)"""

    def call(
        out: str = "out/c.jsonl", formats: str = "", settings: RunSettings = COLOR, **options: Any
    ) -> BatchSummary:
        model = options.pop("model", None) or stub.StubSpec()
        source = options.pop("source", pictures)
        options.setdefault("batching", Batching(pictures=2, threads=2))
        chosen = formats.split(",") if formats else []
        layout = Layout.of(tmp_path / out, chosen)
        return caption_bulk(open_jobs([str(source)]), layout, settings, model, **options)

    return call
