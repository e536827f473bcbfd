"""Small data sets, in the layouts in which they are published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

MakePicture = Callable[..., Path]
WriteJson = Callable[[str, Any], Path]


@pytest.fixture
def picture(tmp_path: Path) -> MakePicture:
    """Saves a grey picture below the folder, by default 8 x 6 pixels."""

    def save(name: str, size: tuple[int, int] = (8, 6), **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (90, 120, 150)).save(path, **options)
        return path

    return save


@pytest.fixture
def write_json(tmp_path: Path) -> WriteJson:
    """Saves JSON below the folder."""

    def save(name: str, value: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
        return path

    return save


@pytest.fixture
def mask() -> np.ndarray:
    """bool (6, 8): two parts, of 6 and 4 pixels."""
    out = np.zeros((6, 8), bool)
    out[1:3, 1:4] = True
    out[4:6, 5:7] = True
    return out
