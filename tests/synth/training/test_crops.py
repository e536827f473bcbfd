from __future__ import annotations

import numpy as np
import pytest
import torch

from finecaption.model.configuration import FineCaptionConfig
from finecaption_synth.training.crops import CropItems
from finecaption_synth.training.labels import HEADS, IGNORE, has_text, mirrored
from finecaption_synth.training.objectives.dense import Dense
from finecaption_synth.training.rolling_pool import RollingPool, Window

FACING = list(HEADS).index("facing")


@pytest.fixture(scope="session")
def rolling(tmp_path_factory: pytest.TempPathFactory, config: FineCaptionConfig) -> RollingPool:
    """Two scenes in use, replaced after ten crops."""
    folder = tmp_path_factory.mktemp("rolling")
    sizes = {"clip_size": config.clip_size, "hr_size": config.image_size}
    return RollingPool(folder, "train", 0, Window(scenes=2, uses=5), **sizes)


def test_a_crop_is_a_function_of_its_number(rolling: RollingPool) -> None:
    once, again = CropItems(rolling, 20, seed=3)[7], CropItems(rolling, 99, seed=3)[7]
    assert all(torch.equal(once[k], again[k]) for k in once)
    other = CropItems(rolling, 20, seed=4)[7]
    assert not all(torch.equal(once[k], other[k]) for k in once if once[k].shape == other[k].shape)


@pytest.mark.parametrize("fraction, cells", [(0.5, 64), (1.0, 128)])
def test_pixels_and_ids_are_cut_alike(rolling: RollingPool, fraction: float, cells: int) -> None:
    crops = CropItems(rolling, 10, seed=0, fraction=fraction, mirror=False)
    arrays = rolling.shard(0).arrays
    for number in range(10):
        crop = crops[number]
        side = crop["pixel_values"].shape[-1]
        assert crop["ids"].shape == (cells, cells)
        found = [
            (scene, y, x)
            for scene in range(2)
            for y in range(0, 129 - cells, 4)
            for x in range(0, 129 - cells, 4)
            if np.array_equal(arrays["ids"][scene][y : y + cells, x : x + cells], crop["ids"])
        ]
        scale = side // cells if side >= cells else side / cells
        cut = [
            arrays["hr"][s][int(y * scale) :][:side, int(x * scale) :][:, :side]
            for s, y, x in found
        ]
        assert any(np.array_equal(c.transpose(2, 0, 1), crop["pixel_values"]) for c in cut)


def test_every_head_is_asked_equally_often(rolling: RollingPool) -> None:
    shard = rolling.shard(0)
    crops = CropItems(rolling, 1, seed=0)
    rng = np.random.default_rng(0)
    drawn = [crops._choose(shard, rng) for _ in range(600)]
    usable = [set(map(tuple, entries.tolist())) for entries in shard.by_head if len(entries)]
    rarest = min(usable, key=len)
    expected = 600 / len(usable)  # at least: its regions have other heads, too
    assert sum(d in rarest for d in drawn) > 0.6 * expected


def test_a_region_that_is_mostly_outside_does_not_count(rolling: RollingPool) -> None:
    for number in range(10):
        crop = CropItems(rolling, 10, seed=1)[number]
        inside = np.bincount(crop["ids"].flatten().numpy(), minlength=len(crop["labels"]))
        assert (crop["weights"].numpy()[inside < 6] == 0).all()
        assert crop["weights"].max() > 0


def test_a_mirrored_crop_has_mirrored_labels(rolling: RollingPool) -> None:
    plain = CropItems(rolling, 40, seed=0, mirror=False)
    flipped = 0
    for number in range(40):
        a, b = plain[number], CropItems(rolling, 40, seed=0)[number]
        if torch.equal(a["pixel_values"], b["pixel_values"]):
            assert torch.equal(a["labels"], b["labels"])
            continue
        flipped += 1
        assert torch.equal(a["pixel_values"].flip(-1), b["pixel_values"])
        assert torch.equal(a["ids"].flip(-1), b["ids"])
        assert np.array_equal(mirrored(a["labels"].numpy()), b["labels"].numpy())
        assert not has_text(a["labels"].numpy())
    assert 5 < flipped < 35


def test_batches_are_padded_with_rows_that_ask_nothing(rolling: RollingPool) -> None:
    items = [CropItems(rolling, 10, seed=0)[i] for i in range(6)]
    batch = Dense((), 1, 1).collate(items)
    most = max(len(i["labels"]) for i in items)
    assert batch["labels"].shape == (6, most, len(HEADS)) and batch["weights"].shape == (6, most)
    for row, item in enumerate(items):
        assert (batch["labels"][row, len(item["labels"]) :] == IGNORE).all()
        assert (batch["weights"][row, len(item["labels"]) :] == 0).all()
