from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.io import masks

from .conftest import MakePicture


def test_masks_alpha_and_whole_pictures(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray
) -> None:
    picture("a.jpg")
    (tmp_path / "a.mask.png").write_bytes(masks.encode_png(mask))
    (tmp_path / "a.txt").write_text("Color: It is blue.\nmaterial: It is: glass.\n")
    cut = Image.new("RGBA", (8, 6), (1, 2, 3, 0))
    cut.paste((9, 9, 9, 255), (2, 1, 5, 4))
    (tmp_path / "sub").mkdir()
    cut.save(tmp_path / "sub" / "ü b.png")
    (tmp_path / "sub" / "ü b.txt").write_text("A grey\nsquare: small.", "utf-8")
    picture("z.PNG")
    (tmp_path / "z.txt").write_text("﻿A blue picture.", "utf-8")
    picture(".thumbs/z.png")
    source = open_source("folder", tmp_path, split="train", deep=True)
    color, material, square, whole = source
    assert [color.attribute, material.attribute] == ["Color", "Materials/Texture"]
    assert material.text == "It is: glass."
    assert np.array_equal(color.region().mask, mask)
    assert (square.task, square.image_id, square.region_id) == ("rdc", "sub/ü b", "1")
    assert square.text == "A grey square: small."
    assert square.region().box == (2, 1, 5, 4)
    assert (whole.task, whole.mask, whole.text) == ("cgic", None, "A blue picture.")
    assert {sample.split for sample in source} == {"train"}


def test_several_regions(tmp_path: Path, picture: MakePicture, mask: np.ndarray) -> None:
    picture("a.jpg")
    for number in (1, 2, 10):
        (tmp_path / f"a.{number}.mask.png").write_bytes(masks.encode_png(mask))
        (tmp_path / f"a.{number}.txt").write_text(f"Number {number}.")
    (tmp_path / "a.txt").write_text("The whole.")
    found = list(open_source("folder", tmp_path))
    assert [(s.task, s.region_id) for s in found] == [
        ("cgic", None), ("rdc", "1"), ("rdc", "2"), ("rdc", "10"),
    ]  # fmt: skip


def test_what_is_wrong_is_named(tmp_path: Path, picture: MakePicture, mask: np.ndarray) -> None:
    for name in ("empty", "notext", "othersize", "nomask", "masked"):
        picture(f"{name}.jpg")
        if name != "notext":
            (tmp_path / f"{name}.txt").write_text("" if name == "empty" else "Words.")
    (tmp_path / "othersize.mask.png").write_bytes(masks.encode_png(np.kron(mask, np.ones((2, 2)))))
    (tmp_path / "masked.mask.png").write_bytes(masks.encode_png(mask & False))
    (tmp_path / "orphan.mask.png").write_bytes(masks.encode_png(mask))
    (tmp_path / "nomask.2.mask.png").write_bytes(masks.encode_png(mask))
    (tmp_path / "broken.png").write_bytes(b"x")
    (tmp_path / "broken.txt").write_text("Words.")
    source = open_source("folder", tmp_path, problems="skip")
    assert [sample.image_id for sample in source] == ["nomask"]
    found = {Path(p.file).name: p.what for p in source.problems}
    assert "not an image" in found["broken.png"]
    assert "is empty; write" in found["empty.txt"]
    assert "is empty; mark" in found["masked.txt"]
    assert "mask without text" in found["nomask.2.mask.png"]
    assert "has no text" in found["notext.jpg"]
    assert "no such image" in found["orphan.mask.png"]
    assert "16 x 12 pixels, but the image is 8 x 6" in found["othersize.txt"]
    assert len(found) == len(source.problems) == 7
    fitted = open_source("folder", tmp_path, problems="skip", resize_masks=True)
    other = next(sample for sample in fitted if sample.image_id == "othersize")
    assert np.array_equal(other.region().mask, mask)


def test_no_folder_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Words.")
    with pytest.raises(ProblemError, match="holds no image"):
        list(open_source("folder", tmp_path))


@pytest.mark.parametrize("suffix", [".jfif", ".avif", ".ppm", ".JPE"])
def test_any_image_suffix(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray, suffix: str
) -> None:
    picture("a.png").rename(tmp_path / f"a{suffix}")
    (tmp_path / "a.mask.png").write_bytes(masks.encode_png(mask))
    (tmp_path / "a.txt").write_text("Words.")
    (tmp_path / "b.heic").write_bytes(b"x")
    source = open_source("folder", tmp_path)
    (found,) = source
    assert np.array_equal(found.region().mask, mask)
    assert source.counts[".heic files passed over"] == 1
    (tmp_path / "a.mask.png").rename(tmp_path / "a.mask.bmp")
    (found,) = source
    assert np.array_equal(found.region().mask, mask)
    (tmp_path / "a.mask.png").write_bytes(masks.encode_png(mask))
    with pytest.raises(ProblemError, match=r"two masks, a\.mask\.bmp and a\.mask\.png; keep one"):
        list(source)
