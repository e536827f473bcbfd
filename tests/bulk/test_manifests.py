"""COCO files as people have them: what is read right, what is refused, and what is left out.

`finecaption batch coco.json` and the reader coco-instances must agree on each of them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from finecaption.bulk.jobs import Bad, BatchJob, Passed, load
from finecaption.bulk.sources import open_jobs
from finecaption.data.sources import open_source
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.types import Region, RegionPrompt

SIZE = (160, 120)
TRUTH = masks.mask_from_box((40, 30, 100, 90), SIZE)
POLYGON = [40, 30, 100, 30, 100, 90, 40, 90]
OTHER = np.zeros((120, 160), bool)
OTHER[100:110, 120:150] = True


def image(number: Any = 1, name: str = "pic.png", size: Any = SIZE) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": size[0], "height": size[1]}


def thing(segmentation: Any = None, **changes: Any) -> dict[str, Any]:
    base = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [40, 30, 60, 60]}
    return {**base, "segmentation": [POLYGON] if segmentation is None else segmentation, **changes}


def scaled(factor: float) -> list[list[float]]:
    return [[factor * number for number in POLYGON]]


def rle(factor: int) -> dict[str, Any]:
    return masks.encode_rle(np.kron(TRUTH, np.ones((factor, factor))) > 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    picture = Image.new("RGB", SIZE, (60, 120, 200))
    ImageDraw.Draw(picture).rectangle((40, 30, 99, 89), fill=(200, 30, 30))
    for name in ("pic.png", "x.png", "red.png", "green.png"):
        picture.save(tmp_path / "images" / name)
    return tmp_path


def coco(folder: Path, *annotations: dict[str, Any], images: Any = None) -> Path:
    path = folder / "coco.json"
    data = {
        "images": [image()] if images is None else images, "annotations": annotations,
        "categories": [{"id": 1, "name": "thing"}],
    }  # fmt: skip
    path.write_text(json.dumps(data))
    return path


def described(file: Path) -> tuple[dict[str, list[Region | RegionPrompt]], list[Bad], list[str]]:
    """What `batch` makes of a file: regions by image, what fails, what is passed over."""
    good: dict[str, list[Region | RegionPrompt]] = {}
    bad: list[Bad] = []
    passed: list[str] = []
    for job in open_jobs([str(file)]).start():
        if isinstance(job, Passed):
            passed.append(f"{job.what}: {job.name}")
        elif isinstance(job, Bad):
            bad.append(job)
        else:
            try:
                good[job.id] = load(job).regions
            except InputError as error:
                bad.append(Bad(job.id, "", str(error)))
    return good, bad, passed


def read(file: Path) -> tuple[list[np.ndarray], list[str]]:
    """What the reader makes of it: masks, problems."""
    source = open_source("coco-instances", file, problems="skip")
    return [sample.region().mask for sample in source], [str(p) for p in source.problems]


SAME: dict[str, tuple[dict[str, Any], Any]] = {
    "as it should be": (thing(), SIZE),
    "twice as large": (thing(scaled(2)), (320, 240)),
    "half as large": (thing(scaled(0.5)), (80, 60)),
    "RLE, twice as large": (thing(rle(2)), (320, 240)),
    "RLE of the image itself": (thing(rle(1)), (320, 240)),
    "no size": (thing(), (None, None)),
    "iscrowd false": (thing(iscrowd=False), SIZE),
    "iscrowd null": (thing(iscrowd=None), SIZE),
    'iscrowd "0"': (thing(iscrowd="0"), SIZE),
    'iscrowd "False"': (thing(iscrowd="False"), SIZE),
    "iscrowd 0.0": (thing(iscrowd=0.0), SIZE),
    "image_id 1.0": (thing(image_id=1.0), SIZE),
    "polygon nested deeper": (thing([[POLYGON]]), SIZE),
}


@pytest.mark.parametrize("case", SAME)
def test_regions_that_are_read_right(folder: Path, case: str) -> None:
    annotation, size = SAME[case]
    file = coco(folder, annotation, images=[image(size=size)])
    (regions,), bad, passed = described(file)[0].values(), *described(file)[1:]
    assert not bad and not passed
    (region,) = regions
    assert isinstance(region, Region) and np.array_equal(region.mask, TRUTH)
    (mask,), problems = read(file)
    assert not problems and np.array_equal(mask, TRUTH)


@pytest.mark.parametrize(
    ("bbox", "size", "expected"),
    [
        ([40, 30, 60, 60], SIZE, (40, 30, 100, 90)),
        (["40", "30", "60", "60"], SIZE, (40, 30, 100, 90)),
        ([80, 60, 120, 120], (320, 240), (40, 30, 100, 90)),
        ([20, 15, 30, 30], (80, 60), (40, 30, 100, 90)),
    ],
)
def test_boxes(folder: Path, bbox: list[Any], size: Any, expected: tuple[int, ...]) -> None:
    file = coco(folder, thing([], bbox=bbox), images=[image(size=size)])
    (region,) = described(file)[0]["pic.png"]
    assert isinstance(region, RegionPrompt) and region.box == expected


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "of another shape": (thing(), image(size=(320, 200)), "160 x 120"),
    "RLE of another shape": (thing(rle(1)), image(size=(120, 160)), "160 x 120"),
    "RLE of neither size": (thing(rle(2)), image(), "320 x 240"),
    "size is text": (thing(), image(size=("160", "120")), "two numbers of pixels"),
    "0..1": (thing([[v / 160 for v in POLYGON]]), image(), "not fractions of the image"),
    "rings that overlap": (thing([[POLYGON, [50, 40, 90, 40, 90, 80]]]), image(), "overlap"),
    "iscrowd 2": (thing(iscrowd=2), image(), "iscrowd: must be 0 or 1; got 2"),
    'iscrowd "no"': (thing(iscrowd="no"), image(), "iscrowd"),
    'image_id "1" for 1': (thing(image_id="1"), image(), "'1' is not among the images"),
    "image_id 1.5": (thing(image_id=1.5), image(), "whole number or text; got 1.5"),
    "image_id true": (thing(image_id=True), image(), "whole number or text; got True"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_regions_that_are_refused(folder: Path, case: str) -> None:
    """By both, and the image is not described as if it had no regions."""
    annotation, entry, message = REFUSED[case]
    file = coco(folder, annotation, images=[entry])
    good, bad, _ = described(file)
    if "image_id 1.5" not in case and "true" not in case:  # whose image is not known
        assert not any(good.values()) and "pic.png" not in good
    assert any(message in entry.what for entry in bad)
    found, problems = read(file)
    assert not found and any(message in problem for problem in problems)


@pytest.mark.parametrize("crowd", [1, True, "1", "True"])
def test_a_file_of_crowds_only_says_so(folder: Path, crowd: Any) -> None:
    file = coco(folder, thing(iscrowd=crowd))
    good, bad, passed = described(file)
    assert not good and passed == ["crowd annotations: annotations[0]"]
    (left,) = bad
    assert left.left_out and "image 1" in left.what and "annotations[0] is a crowd" in left.what
    with pytest.raises(InputError, match=r"no image to describe; 1 crowds passed over"):
        open_jobs([f"coco-instances:{file}"])


def test_no_regions_and_all_left_out_are_two_states(folder: Path) -> None:
    images = [image(1), image(2, "x.png"), image(3, "red.png")]
    file = coco(folder, thing(), thing(id=2, image_id=3, iscrowd=1), images=images)
    good, bad, _ = described(file)
    assert {name: len(regions) for name, regions in good.items()} == {"pic.png": 1, "x.png": 0}
    assert [(one.id, one.left_out) for one in bad] == [("red.png", True)]
    mixed = coco(folder, thing(), thing(id=2, iscrowd=1), thing(id=3, iscrowd="?"))
    good, bad, passed = described(mixed)
    assert len(good["pic.png"]) == 1 and len(passed) == 1
    assert [(one.id, one.left_out) for one in bad] == [("annotations[2]", False)]


@pytest.mark.parametrize("bbox", [["a", 1, 2, 3], [1, 2, 3], [40, 30, 0, 60], [None, 1, 2, 3]])
def test_boxes_that_are_refused(folder: Path, bbox: list[Any]) -> None:
    good, bad, _ = described(coco(folder, thing([], bbox=bbox)))
    assert not good and [one.left_out for one in bad] == [False, True]
    assert "bbox: " in bad[0].what


def test_fractions_as_a_box_are_refused(folder: Path) -> None:
    good, bad, _ = described(coco(folder, thing([], bbox=[0.25, 0.25, 0.375, 0.5])))
    assert not good and "not fractions of the image" in bad[0].what


def test_an_image_id_used_twice_is_refused(folder: Path) -> None:
    images = [image(1, "red.png"), image(1, "green.png"), image(2, "x.png")]
    file = coco(folder, thing(), thing(id=2, image_id=2), images=images)
    good, bad, _ = described(file)
    assert list(good) == ["x.png"]
    assert "red.png and green.png" in bad[0].what and "give each its own" in bad[0].what
    assert {one.id for one in bad} == {"images[1]", "annotations[0]", "red.png"}
    found, problems = read(file)
    assert len(found) == 1 and len(problems) == 2
    assert "images[1]: id: 1 is that of two images, red.png and green.png" in problems[0]
    same = coco(folder, thing(), images=[image(), image()])
    assert len(described(same)[0]["pic.png"]) == len(read(same)[0]) == 1


def test_a_base_name_of_two_images_is_refused(folder: Path) -> None:
    images = [image(1, "cam1/x.png"), image(2, "cam2/x.png")]
    annotations = thing(), thing(id=2, image_id=2)
    file = coco(folder, *annotations, images=images)
    good, bad, _ = described(file)
    assert not good and [one.id for one in bad] == ["cam1/x.png", "cam2/x.png"]
    assert "other images of the name x.png" in bad[0].what
    found, problems = read(file)
    assert not found and len(problems) == 2
    for camera in ("cam1", "cam2"):
        (folder / "images" / camera).mkdir()
        shutil.copy(folder / "images" / "x.png", folder / "images" / camera)
    assert len(described(file)[0]) == len(read(file)[0]) == 2
    alone = coco(folder, thing(), images=[image(1, "far/red.png")])
    assert len(described(alone)[0]) == len(read(alone)[0]) == 1


def test_a_category_id_used_twice_is_a_problem(folder: Path) -> None:
    file = coco(folder, thing())
    data = json.loads(file.read_text())
    data["categories"].append({"id": 1, "name": "other"})
    file.write_text(json.dumps(data))
    assert "two categories, thing and other" in read(file)[1][0]


def test_an_image_is_counted_once(folder: Path) -> None:
    images = [image(1), image(2, "x.png")]
    file = coco(folder, thing(), thing(id=2, image_id=2, iscrowd=1), images=images)
    jobs = open_jobs([str(file)])
    assert jobs.count() == len(list(jobs)) == 2
    assert sum(isinstance(job, BatchJob) for job in jobs) == 1


def test_a_file_whose_images_are_all_broken_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "coco.json"
    file.write_text('{"images": [{"file_name": "a.png"}], "annotations": []}')
    with pytest.raises(InputError, match=r"images\[0\]: id: is missing"):
        open_jobs([str(file)])
