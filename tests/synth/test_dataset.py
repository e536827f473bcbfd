from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.io.masks import box_from_mask, decode_rle
from finecaption_synth import WORLD_VERSION, dataset
from finecaption_synth import vocabulary as voc
from finecaption_synth.compose import render_rgb
from finecaption_synth.dataset import RECORDS, render_split
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

SPLIT, SEED, COUNT = "test", 4, 3
# From Python 3.12 on; the workers of a drawing do nothing with the parent's threads.
FORKED = "ignore:This process .* is multi-threaded:DeprecationWarning"


def render(out: Path, count: int = COUNT, **options: Any) -> list[int]:
    return list(render_split(SPLIT, count, SEED, out, **{"workers": 1, "dense": True, **options}))


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def read(root: Path) -> list[dict[str, Any]]:
    lines = (root / "annotations.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("split")
    assert render(out) == list(range(COUNT))
    return out


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The indices of the scenes that are really drawn from now on."""
    indices: list[int] = []

    def counting(*key: Any) -> Any:
        indices.append(key[2])
        return sample_scene(*key)

    monkeypatch.setattr(dataset, "sample_scene", counting)
    return indices


def test_the_folder_has_pictures_scenes_and_annotations(rendered: Path) -> None:
    names = [f"{i:06d}" for i in range(COUNT)]
    wanted = {"index.json", "annotations.jsonl"}
    for folder, end in (("images", "png"), ("scenes", "svg"), ("dense", "npz")):
        wanted |= {f"{folder}/{n}.{end}" for n in names}
    assert set(tree(rendered)) == wanted


@pytest.mark.filterwarnings(FORKED)
def test_the_bytes_do_not_depend_on_the_processes(rendered: Path, tmp_path: Path) -> None:
    assert render(tmp_path, workers=2) == list(range(COUNT))
    assert tree(tmp_path) == tree(rendered)


def test_an_interrupted_rendering_goes_on(rendered: Path, tmp_path: Path, drawn: list[int]) -> None:
    first = render_split(SPLIT, COUNT, SEED, tmp_path, workers=1, dense=True)
    assert [next(first), next(first)] == [0, 1]
    first.close()
    assert not (tmp_path / "annotations.jsonl").exists()
    # What a kill leaves of the scene that was on its way, and a record that the kill took away.
    (tmp_path / "images" / ".000002.png.part").write_bytes(b"half")
    (tmp_path / RECORDS / ".000002.jsonl.part").write_bytes(b"{")
    (tmp_path / RECORDS / "000000.jsonl").unlink()
    del drawn[:]
    assert sorted(render(tmp_path)) == [0, 1, 2]
    assert drawn == [0, 2]
    assert tree(tmp_path) == tree(rendered)


def test_a_finished_folder_is_left_alone_mended_and_extended(
    rendered: Path, tmp_path: Path, drawn: list[int]
) -> None:
    render(tmp_path, count=2)
    del drawn[:]
    render(tmp_path, count=2)
    assert drawn == []
    (tmp_path / "images" / "000001.png").unlink()
    assert render(tmp_path) == [0, 1, 2]
    assert drawn == [1, 2]
    assert tree(tmp_path) == tree(rendered)


@pytest.mark.parametrize(
    "change",
    [{"split": "val"}, {"seed": 5}, {"dense": False}, {"references": True}],
    ids=lambda c: next(iter(c)),
)
def test_a_folder_begun_with_other_settings_is_refused(
    rendered: Path, change: dict[str, Any]
) -> None:
    before = tree(rendered)
    settings = {"split": SPLIT, "seed": SEED, "dense": True, **change}
    with pytest.raises(InputError, match="was begun with .* use another folder"):
        list(render_split(settings.pop("split"), COUNT, out=rendered, workers=1, **settings))
    assert tree(rendered) == before


@pytest.mark.parametrize(
    "change, message",
    [
        ({"split": "dev"}, "unknown split 'dev'; choose one of train, val, test, test-unseen"),
        ({"count": 0}, "count is 0; it must be at least 1"),
        ({"workers": 0}, "workers is 0; it must be at least 1"),
    ],
    ids=["split", "count", "workers"],
)
def test_settings_that_make_no_sense_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    out = tmp_path / "none"
    with pytest.raises(InputError, match=message):
        list(render_split(**{"split": SPLIT, "count": 1, "seed": 0, "out": out, **change}))
    assert not out.exists()


def test_pictures_and_scenes_are_the_same_drawing(rendered: Path) -> None:
    for i in range(COUNT):
        svg = (rendered / f"scenes/{i:06d}.svg").read_text(encoding="utf-8")
        with Image.open(rendered / f"images/{i:06d}.png") as picture:
            assert picture.mode == "RGB"
            assert np.array_equal(np.asarray(picture), render_rgb(svg))


def test_records_agree_with_what_can_be_seen(rendered: Path) -> None:
    records = read(rendered)
    assert len({r["id"] for r in records}) == len(records)
    for i in range(COUNT):
        observed = observe(sample_scene(SPLIT, SEED, i))
        mine = {r["region_id"]: r for r in records if r["scene"] == i}
        assert set(mine) == {0, *observed.masks}
        for truth in observed.truth.regions:
            record = mine[truth.region_id]
            mask = decode_rle(record["mask"], (record["width"], record["height"]))
            assert np.array_equal(mask, observed.masks[truth.region_id])
            assert tuple(record["box"]) == tuple(box_from_mask(mask))
            assert (record["category"], record["part_of"]) == (truth.category, truth.part_of)
            assert record["image"] == f"images/{i:06d}.png" and record["split"] == SPLIT
            assert record["truth"].keys() == truth.attributes.keys() <= set(ATTRIBUTE_NAMES)
            assert record["captions"]["aarc"].keys() == record["truth"].keys()
            assert all(len(said) > 1 for said in record["captions"]["aarc"].values())
            assert len(record["captions"]["rdc"].split()) > 8
        whole = mine[0]
        assert decode_rle(whole["mask"]).all() and whole["box"] == [0, 0, 512, 512]
        assert whole["truth"]["Scene"]["setting"] == [observed.truth.setting]
        assert len(whole["captions"]["cgic"].split()) > 10


def test_sentences_name_others_by_number_on_request(rendered: Path, tmp_path: Path) -> None:
    assert "entity_id" not in (rendered / "annotations.jsonl").read_text()
    render(tmp_path, dense=False, references=True)
    assert not (tmp_path / "dense").exists()
    told = [r for r in read(tmp_path) if r["region_id"]]
    by_scene: dict[int, set[int]] = {}
    for r in told:
        by_scene.setdefault(r["scene"], set()).add(r["region_id"])
    named = 0
    for r in told:
        for sentences in r["captions"]["aarc"].values():
            for number in dataset_numbers(sentences):
                assert number in by_scene[r["scene"]] - {r["region_id"]}
                named += 1
    assert named > 5


def dataset_numbers(sentences: list[str]) -> list[int]:
    """The k of every "(entity_id_k)"."""
    pieces = [p for s in sentences for p in s.split("(entity_id_")[1:]]
    return [int(p.partition(")")[0]) for p in pieces]


@pytest.mark.parametrize(
    "name, table, value",
    [
        ("category", "category", lambda r: r["category"]),
        ("colour", "colour", lambda r: r["truth"]["Color"]["colour"][0]),
        ("material", "material", lambda r: r["truth"]["Materials/Texture"]["material"][0]),
    ],
    ids=["category", "colour", "material"],
)
def test_dense_maps_agree_with_masks(
    rendered: Path, name: str, table: str, value: Callable[[dict[str, Any]], str]
) -> None:
    index = json.loads((rendered / "index.json").read_text())
    assert index["world"] == WORLD_VERSION
    checked = 0
    for record in read(rendered):
        if not record["region_id"] or (name == "material" and record["part_of"]):
            continue
        if name == "material" and "Materials/Texture" not in record["truth"]:
            continue
        stem = Path(record["image"]).stem
        maps = np.load(rendered / "dense" / f"{stem}.npz")
        assert maps[name].shape == (512, 512) and maps[name].dtype == np.uint8
        mask = decode_rle(record["mask"])
        if record["part_of"] is None:  # parts have values of their own
            parts = [index["category"][p] for p in voc.PARTS]
            mask &= ~np.isin(maps["category"], parts)
        assert set(np.unique(maps[name][mask])) == {index[table][value(record)]}
        checked += 1
    assert checked > 2


def test_dense_maps_are_zero_where_nothing_stands(rendered: Path) -> None:
    for i in range(COUNT):
        maps = np.load(rendered / f"dense/{i:06d}.npz")
        empty = observe(sample_scene(SPLIT, SEED, i)).ids == 0
        assert all(((maps[n] == 0) >= empty).all() for n in ("category", "colour", "material"))
        assert np.array_equal(maps["category"] == 0, empty)
