from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.errors import InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.preparation import prepare_mask
from finecaption_synth import WORLD_VERSION
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene
from finecaption_synth.training import pool as module
from finecaption_synth.training.labels import scene_labels
from finecaption_synth.training.pool import IDS_SIZE, Pool, PooledScene, id_map, render_pool


def same(a: PooledScene, b: PooledScene) -> bool:
    return all(
        np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y
        for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
    )


@pytest.fixture
def sizes(config: FineCaptionConfig) -> dict[str, Any]:
    return {"clip_size": config.clip_size, "hr_size": config.image_size, "workers": 1}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The scenes that are really drawn from now on."""
    indices: list[int] = []

    def counting(*key: Any) -> Any:
        indices.append(key[2])
        return sample_scene(*key)

    monkeypatch.setattr(module, "sample_scene", counting)
    return indices


def test_a_pooled_scene_is_what_can_be_seen(pool: Pool, config: FineCaptionConfig) -> None:
    for index in (0, len(pool) - 1):
        scene, observed = pool[index], observe(sample_scene("train", 0, index))
        assert scene.truth == observed.truth
        assert scene.clip.shape == (config.clip_size, config.clip_size, 3)
        assert scene.hr.shape == (config.image_size, config.image_size, 3)
        assert np.array_equal(scene.labels, scene_labels(observed.truth))
        assert len(scene.masks) == len(observed.truth.regions)
        for region, mask in observed.masks.items():
            assert np.array_equal(scene.masks[region - 1], prepare_mask(mask, config.clip_size))
        assert np.array_equal(scene.ids, id_map(observed))


def test_in_the_id_map_the_part_wins(pool: Pool) -> None:
    parts = 0
    for index in range(len(pool)):
        observed = observe(sample_scene("train", 0, index))
        ids = id_map(observed)
        assert ids.shape == (IDS_SIZE, IDS_SIZE) and ids.dtype == np.uint8
        step = 512 // IDS_SIZE
        for region in observed.truth.regions:
            here = observed.masks[region.region_id][step // 2 :: step, step // 2 :: step]
            inner = [r.region_id for r in observed.truth.regions if r.part_of == region.region_id]
            assert np.array_equal(here, np.isin(ids, [region.region_id, *inner]))
            parts += len(inner)
    assert parts > 0


def test_drawing_goes_on_where_it_stopped(
    pool: Pool, tmp_path: Path, sizes: dict[str, Any], drawn: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "SHARD", 2)
    first = render_pool(tmp_path, "train", 0, 3, **sizes)
    assert next(first) == 0
    first.close()
    half = tmp_path / ".shard-00001.part"
    half.mkdir()
    (half / "hr.npy").write_bytes(b"half")
    assert list(render_pool(tmp_path, "train", 0, 3, **sizes)) == [0, 1]
    assert drawn == [0, 1, 2]
    assert len(Pool(tmp_path)) == 3
    assert all(same(Pool(tmp_path)[i], pool[i]) for i in range(3))
    # Its last shard was not full.
    assert list(render_pool(tmp_path, "train", 0, 4, **sizes)) == [0, 1]
    assert drawn == [0, 1, 2, 2, 3]
    assert len(Pool(tmp_path)) == 4 and same(Pool(tmp_path)[3], pool[3])
    assert not half.exists()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"split": "val"}, {"hr_size": 128}], ids=lambda c: next(iter(c))
)
def test_a_pool_of_other_settings_is_refused(
    pool_folder: Path, sizes: dict[str, Any], change: dict[str, Any]
) -> None:
    wanted = {"folder": pool_folder, "split": "train", "seed": 0, "scenes": 6, **sizes, **change}
    with pytest.raises(InputError, match="holds a pool of .* use another folder"):
        list(render_pool(**wanted))


def test_a_pool_of_another_world_is_refused(
    sizes: dict[str, Any], pool_folder: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(pool_folder, old)
    note = json.loads((old / "pool.json").read_text())
    assert note["world"] == WORLD_VERSION
    (old / "pool.json").write_text(json.dumps(note | {"world": 1}))
    with pytest.raises(InputError, match="of version 1 of the drawn world.*draw the pool again"):
        Pool(old)
    with pytest.raises(InputError, match="of version 1 of the drawn world.*another folder"):
        list(render_pool(old, "train", 0, 6, **sizes))


def test_access_is_checked(pool: Pool, pool_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shard in .*; draw the pool first"):
        Pool(tmp_path)
    for index in (-1, len(pool)):
        with pytest.raises(IndexError):
            pool[index]
    few = Pool(pool_folder, limit=2)
    assert len(few) == 2
    with pytest.raises(IndexError):
        few[2]


def test_a_scene_has_one_row_for_each_region_and_the_backdrop(pool: Pool) -> None:
    assert [f.name for f in dataclasses.fields(PooledScene)][-1] == "truth"
    for index in range(len(pool)):
        scene = pool[index]
        count = len(scene.truth.regions)
        assert len(scene.masks) == count and len(scene.labels) == count + 1
        assert scene.ids.max() <= count
