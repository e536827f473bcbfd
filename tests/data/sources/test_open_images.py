from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.errors import InputError
from finecaption.io import masks

from .conftest import MakePicture

HEAD = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"


def csv_row(mask: str, image: str = "0a1", label: str = "/m/01g317", box: str = "96d7") -> str:
    clicks = "0.2 0.4 1;0.5 0.1 0"
    return f"{mask},{image},{label},{box},0.125,0.875,0.166,1.0,0.86,{clicks}"


@pytest.fixture
def folder(tmp_path: Path, picture: MakePicture, mask: np.ndarray) -> Path:
    picture("test/0a1.jpg")
    (tmp_path / "class-descriptions-boxable.csv").write_text(
        '/m/01g317,Person\n/m/0cmf2,"Café, small"\n', "utf-8"
    )
    (tmp_path / "test-masks").mkdir()
    # published masks are 1-bit PNG files
    Image.fromarray(mask).save(tmp_path / "test-masks" / "0a1_m01g317_96d7.png")
    return tmp_path


def save(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "test-annotations-object-segmentation.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_the_published_layout(folder: Path, mask: np.ndarray) -> None:
    double = np.kron(mask, np.ones((2, 2))).astype(bool)  # of another size than the picture
    (folder / "test-masks-0").mkdir()
    (folder / "test-masks-0" / "0b.png").write_bytes(masks.encode_png(double))
    save(folder, csv_row("0a1_m01g317_96d7.png"), csv_row("0b.png", label="/m/0cmf2"))
    source = open_source("open-images", folder, deep=True)
    first, second = source
    assert (first.text, first.attribute, first.split) == ("Person", "Category Name", "test")
    assert (first.image_id, first.region_id) == ("0a1", "/m/01g317_96d7")
    assert second.text == "Café, small"
    for sample in (first, second):
        assert np.array_equal(sample.region().mask, mask)
    assert source.counts["masks resized to their picture"] == 1
    strict = open_source("open-images", folder, problems="skip", resize_masks=False)
    assert len(list(strict)) == 1
    with pytest.raises(InputError, match=r"no file train-annotations-object-segmentation\.csv"):
        list(open_source("open-images", folder, split="train"))


def test_what_is_wrong_is_named(folder: Path) -> None:
    good = "0a1_m01g317_96d7.png"
    (folder / "test-masks" / "empty.png").write_bytes(masks.encode_png(np.zeros((6, 8), bool)))
    (folder / "test-masks" / "tall.png").write_bytes(masks.encode_png(np.ones((9, 2), bool)))
    save(
        folder,
        csv_row(good),
        csv_row("none.png"),
        csv_row(good, image="0a2"),
        csv_row(good, label="/m/none"),
        csv_row("empty.png"),
        csv_row("tall.png"),
        csv_row(""),
        good,
    )
    source = open_source("open-images", folder, problems="skip")
    assert len(list(source)) == 1
    assert [(p.record, p.field) for p in source.problems] == [
        ("line 3", "MaskPath"), ("line 4", "image"), ("line 5", "LabelName"),
        ("line 6", "MaskPath"),
        ("line 7", "MaskPath"), ("line 8", "MaskPath"), ("line 9", "ImageID"),
    ]  # fmt: skip
    save(folder, head="ImageID,LabelName")
    with pytest.raises(ProblemError, match="has no column MaskPath"):
        list(open_source("open-images", folder))
    (folder / "class-descriptions-boxable.csv").unlink()
    with pytest.raises(InputError, match="class-descriptions"):
        list(open_source("open-images", folder))
    with pytest.raises(InputError, match="give the folder of the masks"):
        open_source("open-images", folder, masks=folder / "none")
