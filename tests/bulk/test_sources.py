"""What a source gives: ids, regions, and what cannot be used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.bulk.jobs import Bad, BatchJob, Passed, load
from finecaption.bulk.sources import PassedOver, _SourceImage, open_jobs, stands_for_many
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.images import FORMATS, MAX_BYTES, SUFFIXES
from finecaption.types import Region, RegionPrompt

Draw = Callable[..., Path]


def split(jobs: Any) -> tuple[dict[str, BatchJob], dict[str, str]]:
    """(id -> job, id -> what is wrong)"""
    good: dict[str, BatchJob] = {}
    bad: dict[str, str] = {}
    for job in jobs:
        if isinstance(job, Bad):
            bad[job.id] = job.what
        else:
            assert job.id not in good
            good[job.id] = job
    return good, bad


def test_folder(pictures: Path, good: list[str]) -> None:
    jobs = open_jobs([str(pictures)])
    found, bad = split(jobs)
    listed = [*good, "sub/text.png", "sub/zero.jpg", "torn.png"]
    assert sorted(found) == sorted(listed) and list(bad) == ["lone.mask.png"]
    assert jobs.count() == len(listed) + 1
    assert [job.id for job in jobs if isinstance(job, BatchJob)] == list(found), (
        "the order is the same"
    )
    assert [region.id for region in found["b.png"].regions] == ["1", "2"]
    assert found["a.jpg"].stem == "a" and found["b.png"].stem == "b"
    # two pictures of one stem keep their suffixes
    assert (found["sub/a.jpg"].stem, found["sub/a.png"].stem) == ("sub/a.jpg", "sub/a.png")
    loaded = load(found["b.png"])
    assert loaded.picture.size == (24, 16) and loaded.names == ["1", "2"]
    first, second = loaded.regions
    assert isinstance(first, Region) and isinstance(second, Region)
    assert first.box == (0, 0, 4, 4) and second.box == (5, 5, 9, 9)


def test_every_image_that_opens_alone_is_found_in_folders(
    tmp_path: Path, draw: Draw, mask: Draw
) -> None:
    names = ["a.jpg", "b.jfif", "c.jpe", "d.avif", "e.jp2", "f.ppm", "g.bmp", "h.TIF", "i.apng"]
    for seed, name in enumerate(names):
        picture = Image.open(draw(tmp_path / "drawn.png", seed))
        form = {".jfif": "JPEG", ".jpe": "JPEG", ".apng": "PNG"}.get(Path(name).suffix)
        picture.save(tmp_path / name, form)
    (tmp_path / "drawn.png").unlink()
    mask(tmp_path / "b.mask.png", (2, 3, 10, 9))
    mask(tmp_path / "f.mask.ppm", (1, 1, 5, 5))
    found, bad = split(open_jobs([str(tmp_path)]))
    assert list(found) == sorted(names) and not bad
    for name in names:
        assert load(found[name]).picture.size == (24, 16)
    (region,) = load(found["b.jfif"]).regions
    assert isinstance(region, Region) and region.box == (2, 3, 10, 9)
    (region,) = load(found["f.ppm"]).regions
    assert isinstance(region, Region) and region.box == (1, 1, 5, 5)


def test_what_is_passed_over_is_counted_and_named(tmp_path: Path, draw: Draw, mask: Draw) -> None:
    draw(tmp_path / "a.png")
    for name in (
        "a.txt", "a.png.txt", "a.1.txt", "b.txt", "c.heic", "sub/d.HEIC", "e.heic", "f.heic",
        ".hidden", "README", "a.annotated.png",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    passed = PassedOver()
    for job in open_jobs([str(tmp_path)]).start():
        if isinstance(job, Passed):
            passed.add(job)
    assert passed.lines() == [
        "4 .heic files passed over (c.heic, e.heic, f.heic, ...)",
        "1 .txt files passed over (b.txt)",
        "1 files without a suffix passed over (README)",
    ]
    with pytest.raises(InputError, match=r"no image to describe; 1 \.heic files passed over \(sub"):
        open_jobs([f"{tmp_path}/*/*.HEIC"])
    mask(tmp_path / "a.mask.png", (0, 0, 4, 4))
    mask(tmp_path / "a.mask.tif", (0, 0, 4, 4))
    _, bad = split(open_jobs([str(tmp_path)]))
    assert "two masks of one region (a.mask.png, a.mask.tif)" in bad["a.png"]


def test_suffixes_are_those_of_the_formats_that_are_opened() -> None:
    Image.init()
    assert set(SUFFIXES) == {
        end for end, form in Image.registered_extensions().items() if form in (*FORMATS, "MPO")
    }


def test_pipes_and_files_without_end_are_errors_of_their_own(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.jpg")
    with (tmp_path / "c.jpg").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)  # a sparse file
    found, _ = split(open_jobs([str(tmp_path)]))
    assert load(found["a.png"]).picture.size == (24, 16)
    with pytest.raises(InputError, match=r"b\.jpg: is a pipe"):
        load(found["b.jpg"])
    with pytest.raises(InputError, match=r"c\.jpg: has 1,073,741,825 bytes, over the limit"):
        load(found["c.jpg"])


def test_a_pattern_takes_what_matches(pictures: Path) -> None:
    def ids(pattern: str) -> list[str]:
        return [job.id for job in open_jobs([f"{pictures}/{pattern}"])]

    assert ids("*.png") == ["b.png", "torn.png", "lone.mask.png"]
    assert ids("**/a.*") == ["a.jpg", "sub/a.jpg", "sub/a.png"]
    assert ids("sub/*.png") == ["a.png", "text.png"], "ids start below the part without wildcards"
    assert ids("*/*/*") == ["sub/ünï/日本.png"]
    assert ids("[ab].*") == ["a.jpg", "b.png"]
    with pytest.raises(InputError, match="no image"):
        open_jobs([f"{pictures}/*.tif"])


def test_files_one_by_one_keep_masks_and_folders(pictures: Path) -> None:
    given = [str(pictures / "sub" / "a.jpg"), str(pictures / "a.jpg"), str(pictures / "a.jpg")]
    found, bad = split(open_jobs(given))
    assert sorted(found) == ["a.jpg", "sub/a.jpg"] and not bad
    assert [region.id for region in found["a.jpg"].regions] == ["1"]
    with pytest.raises(InputError, match="no such file"):
        open_jobs([*given, "nowhere.png"])


def test_images_are_counted(pictures: Path) -> None:
    one, two = str(pictures / "a.jpg"), str(pictures / "b.png")
    assert open_jobs([one]).count() == 1
    assert open_jobs([one, two, one]).count() == 2
    assert open_jobs([f"{pictures}/*.png"]).count() == 3


def test_a_source_is_named_by_its_kind_and_full_path(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures)
    (tmp_path / "m.jsonl").write_text('{"image": "a.jpg"}\n')
    names = [
        (["a.jpg"], None, f"files {pictures}/a.jpg"),
        (["a.jpg", "b.png"], None, f"files {pictures}/a.jpg {pictures}/b.png"),
        (["."], None, f"folder {pictures}"),
        (["*.png"], None, f"pattern {pictures}/*.png"),
        ([str(tmp_path / "m.jsonl")], None, f"manifest {tmp_path}/m.jsonl"),
        ([str(tmp_path / "m.jsonl")], ".", f"manifest {tmp_path}/m.jsonl {pictures}"),
    ]
    for given, images, name in names:
        assert open_jobs(given, images).name == name
    with pytest.raises(InputError, match="--images .*: is not a folder"):
        open_jobs([str(tmp_path / "m.jsonl")], tmp_path / "nowhere")
    with pytest.raises(InputError, match="nothing is given"):
        open_jobs([])


def test_transparency_is_a_region(tmp_path: Path) -> None:
    values = np.full((16, 24, 4), 255, np.uint8)
    values[:, 12:, 3] = 0
    Image.fromarray(values).save(tmp_path / "half.png")
    values[..., 3] = 0
    Image.fromarray(values).save(tmp_path / "none.png")
    values[..., 3] = 255
    values[0, 0, 3] = 254
    Image.fromarray(values).save(tmp_path / "nearly.png")
    found, _ = split(open_jobs([str(tmp_path)]))
    (region,) = load(found["half.png"]).regions
    assert isinstance(region, Region) and region.box == (0, 0, 12, 16)
    assert load(found["nearly.png"]).regions == []
    with pytest.raises(InputError, match="transparent everywhere"):
        load(found["none.png"])


@pytest.mark.parametrize(
    ("region", "box"),
    [
        ({"polygon": [[2, 2, 8, 2, 8, 6, 2, 6]]}, (2, 2, 8, 6)),
        ({"mask": "m.png"}, (1, 1, 5, 5)),
        ({"mask": masks.encode_rle(np.eye(16, 24) > 0)}, (0, 0, 16, 16)),
        ({"mask": masks.encode_rle_counts(np.eye(16, 24) > 0)}, (0, 0, 16, 16)),
    ],
)
def test_manifest_regions(
    tmp_path: Path, draw: Draw, mask: Draw, region: dict[str, Any], box: tuple[int, ...]
) -> None:
    draw(tmp_path / "x.png")
    mask(tmp_path / "m.png", (1, 1, 5, 5))
    lines = [{"image": "x.png", **region}, {"image": "x.png", "regions": [{"id": "q", **region}]}]
    for line in lines:
        (tmp_path / "m.jsonl").write_text(json.dumps(line) + "\n")
        (job,) = open_jobs([str(tmp_path / "m.jsonl")])
        assert isinstance(job, BatchJob)
        (found,) = load(job).regions
        assert isinstance(found, Region) and found.box == box
    assert job.regions[0].id == "q"


def test_manifest_clicks_and_boxes(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "x.png")
    line = {"image": "x.png", "box": [1, 2, 30, 9], "points": [[3, 4], [5, 6, False]]}
    (tmp_path / "m.jsonl").write_text(json.dumps(line) + "\n")
    (job,) = open_jobs([str(tmp_path / "m.jsonl")])
    assert isinstance(job, BatchJob)
    (prompt,) = load(job).regions
    assert isinstance(prompt, RegionPrompt) and prompt.box == (1, 2, 24, 9)
    assert [tuple(point) for point in prompt.points] == [(3, 4, True), (5, 6, False)]


def test_manifest_lines(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "x.png")
    lines = [
        '{"image": "x.png", "box": [1, 1, 5, 5]}',
        '{"image": "x.png", "box": [2, 2, 6, 6], "meta": {"k": [1]}}',
        "",
        "{broken",
        '{"image": "x.png", "bbox": [1, 1, 5, 5]}',
        '{"image": "y.png", "id": 7}',
        '{"image": "x.png", "mask": 5}',
        '{"image": 3}',
        '{"image": "z.png", "regions": [{"box": [1, 1, 5, 5], "mask": "m.png"}]}',
        '{"image": "x.png", "width": 24, "height": 16, "task": "cgic", "text": "A."}',
        '{"image": "x.png", "id": "x.png"}',
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    jobs = list(open_jobs([str(tmp_path / "m.jsonl")]))
    found = [(job.id, job.place) for job in jobs if isinstance(job, BatchJob)]
    assert found == [
        ("x.png", "line 1-2"),
        ("7", "line 6"),
        ("x.png", "line 10"),
        ("x.png", "line 11"),
    ]
    first = next(job for job in jobs if isinstance(job, BatchJob))
    assert first.meta == {"k": [1]}
    assert [region.id for region in first.regions] == ["1", "2"]
    assert len({job.key for job in jobs if isinstance(job, BatchJob)}) == 4
    said = {job.id: job.what for job in jobs if isinstance(job, Bad)}
    assert "line 4" in said["line 4"] and "JSON" in said["line 4"]
    assert '"bbox"' in said["line 5"] and "meta" in said["line 5"]
    assert any("line 7" in job.what and "RLE" in job.what for job in jobs if isinstance(job, Bad))
    assert "image" in said["line 8"]
    assert any(
        "line 9" in job.what and "one of" in job.what for job in jobs if isinstance(job, Bad)
    )


def coco_file(folder: Path, **more: Any) -> Path:
    """Three images: polygons and a box, RLE, nothing; and broken entries."""
    rle = masks.encode_rle(np.eye(16, 24) > 0)
    data = {
        "images": [
            {"id": 5, "file_name": "x.png", "width": 24, "height": 16},
            {"id": 9, "file_name": "y.png"},
            {"id": 11, "file_name": "z.png"},
            {"id": 12, "file_name": "gone.png"},
            {"id": 12, "file_name": "twice.png"},
        ],
        "annotations": [
            {"id": 1, "image_id": 5, "segmentation": [[2, 2, 8, 2, 8, 6, 2, 6]], "iscrowd": 0},
            {"id": 2, "image_id": 9, "segmentation": rle},
            {"id": 3, "image_id": 5, "bbox": [1, 2, 4, 5]},
            {"id": 4, "image_id": 9, "iscrowd": 1, "segmentation": rle},
            {"id": 5, "image_id": 77, "segmentation": rle},
            {"id": 6, "image_id": 5},
        ],
        **more,
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(data))
    return path


def test_coco(tmp_path: Path, draw: Draw) -> None:
    for seed, name in enumerate("xyz"):
        draw(tmp_path / "images" / f"{name}.png", seed)
    jobs = open_jobs([str(coco_file(tmp_path))])
    found, bad = split(jobs)
    assert list(found) == ["x.png", "y.png", "z.png"]
    assert [found[name].image_id for name in found] == [5, 9, 11]
    assert [[region.id for region in found[name].regions] for name in found] == [
        ["1", "3"], ["2"], [],
    ]  # fmt: skip
    polygon, prompt = load(found["x.png"]).regions
    assert isinstance(polygon, Region) and polygon.box == (2, 2, 8, 6)
    assert isinstance(prompt, RegionPrompt) and prompt.box == (1, 2, 5, 7)
    assert sorted(bad) == ["annotations[4]", "annotations[5]", "gone.png", "images[4]"]
    assert "not among the images" in bad["annotations[4]"]
    with pytest.raises(InputError, match="no images"):
        open_jobs([str(coco_file(tmp_path, images=[]))])
    (tmp_path / "torn.json").write_text('{"images": [{"id": 1')
    with pytest.raises(InputError, match="not whole JSON"):
        open_jobs([str(tmp_path / "torn.json")])


def test_a_data_set(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "x.png", 1)
    draw(tmp_path / "y.png", 2)
    rle = masks.encode_rle(np.eye(16, 24) > 0)
    common = {"width": 24, "height": 16, "text": "A.", "task": "aarc", "mask": rle}
    lines = [
        {"image": "x.png", **common, "attribute": "Color", "region_id": "3", "image_id": "X"},
        {"image": "x.png", **common, "attribute": "Hair", "region_id": "3", "image_id": "X"},
        {"image": "gone.png", **common, "attribute": "Hair", "image_id": "G"},
        {"image": "y.png", **common, "attribute": "Hair", "image_id": "Y"},
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    jobs = open_jobs([f"jsonl:{tmp_path / 'd.jsonl'}"])
    for _ in range(2):  # it can be gone through again
        found, bad = split(jobs)
        assert list(found) == ["X", "Y"] and len(bad) == 1
        assert [region.id for region in found["X"].regions] == ["3"], "one region, two questions"
        (region,) = load(found["X"]).regions
        assert isinstance(region, Region) and region.area == 16
    assert jobs.count() is None


PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("a.png", "A"), ("a.png", "A"), True),
        (("a.png", "A"), (Path("a.png"), "A"), True),
        (("a.png", "A"), ("a.png", "B"), False),
        (("a.png", None), ("b.png", None), False),
        ((PIXELS, "A"), (PIXELS, "A"), True),
        ((PIXELS, "A"), (PIXELS, "B"), False),
        ((PIXELS, "A"), (PIXELS.copy(), "A"), True),
        ((PIXELS, "A"), (PIXELS + 1, "A"), False),
        ((PIXELS, "A"), ("a.png", "A"), False),
        (("a.png", "A"), (PIXELS, "A"), False),
    ],
)
def test_samples_of_one_image(one: Any, other: Any, same: bool) -> None:
    left, right = (
        _SourceImage(SimpleNamespace(image=image, image_id=name))  # type: ignore[arg-type]  # a stand-in
        for image, name in (one, other)
    )
    assert (left == right) is same
    assert left != one


def test_what_stands_for_many(pictures: Path, tmp_path: Path) -> None:
    for one in (str(pictures / "a.jpg"), "nowhere.png"):
        assert not stands_for_many([one])
    (tmp_path / "[x].png").write_bytes(b"")
    assert not stands_for_many([str(tmp_path / "[x].png")]), "a file of that very name"
    many = [str(pictures), f"{pictures}/*.png", "m.jsonl", "c.json", "refcoco:data", "jsonl:x"]
    assert all(stands_for_many([text]) for text in many)
    assert stands_for_many(["a.png", "b.png"])


@pytest.mark.parametrize("given", ["nowhere", "nowhere.jsonl", "nowhere.json", "synth:nowhere"])
def test_what_is_not_there(given: str) -> None:
    with pytest.raises(InputError, match="no such"):
        open_jobs([given])
