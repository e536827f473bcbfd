"""Square cuts of training scenes around regions, every head asked equally often.

A third of each image is backdrop, and faces, clothes and materials are on few regions. A crop
around a region that has the head in question, the head chosen uniformly, spends the same compute on
what is still to be learned (docs/log.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from finecaption_synth.training.labels import HEADS, has_text, mirrored
from finecaption_synth.training.objectives.dense import PATCHES
from finecaption_synth.training.pool import IDS_SIZE
from finecaption_synth.training.rolling_pool import PoolShard, RollingPool

_JITTER = 0.125  # of the crop's side: how far its center may lie from the chosen pixel
_LEAST_CELLS = 6  # of the id map: a smaller cut of a region is not asked about
_WHOLE = 0.6  # fraction of a region that must be inside for its labels to be readable
_CUT_WEIGHT = 0.7  # of the region that the crop is about, where less than that is inside


class CropItems(Dataset):
    """``items`` crops; item i is a function of the pool's settings, the seed and i."""

    def __init__(
        self, pool: RollingPool, items: int, seed: int, fraction: float = 0.5, mirror: bool = True
    ) -> None:
        """
        Args:
            pool: of scenes.
            items: length of the dataset.
            seed: of the choices, not of the scenes.
            fraction: side of a crop as a fraction of the image's; 1 is the whole image.
            mirror: flip half of the crops left to right, and their labels with them.
        """
        self.pool, self.items, self.seed = pool, items, seed
        self.fraction, self.mirror = fraction, mirror

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, item: int) -> dict[str, Any]:
        """A crop.

        Returns:
            pixel_values uint8 (3, c, c); ids uint8 (d, d), region id of each cell; labels int8
            (1 + regions, heads); weights float32 (1 + regions,), 0 for a region of which too
            little is inside to say what it is.
        """
        rng = np.random.default_rng((self.seed, item))
        self.pool.advance(item)
        shard = self.pool.shard(self.pool.window.choose(item, rng))
        scene, region = self._choose(shard, rng)
        pixels, ids = shard.arrays["hr"][scene], np.asarray(shard.arrays["ids"][scene])
        labels = shard.labels(scene)
        x, y = self._corner(ids, region, rng)
        side = round(IDS_SIZE * self.fraction)
        scale = pixels.shape[0] / IDS_SIZE
        left, top, size = (round(v * scale) for v in (x, y, side))
        cut = pixels[top : top + size, left : left + size]
        cells = ids[y : y + side, x : x + side]
        if self.mirror and rng.random() < 0.5 and not has_text(labels):
            cut, cells, labels = cut[:, ::-1], cells[:, ::-1], mirrored(labels)
        return {
            "pixel_values": torch.from_numpy(cut.transpose(2, 0, 1).copy()),
            "ids": torch.from_numpy(cells.copy()),
            "labels": torch.from_numpy(labels),
            "weights": torch.from_numpy(_weights(ids, cells, region, len(labels))),
        }

    def _choose(self, shard: PoolShard, rng: np.random.Generator) -> tuple[int, int]:
        """Scene and region id; the head that the region must have is drawn first."""
        while True:
            entries = shard.by_head[int(rng.integers(len(HEADS)))]
            if len(entries):
                scene, region = entries[int(rng.integers(len(entries)))]
                return int(scene), int(region)

    def _corner(self, ids: np.ndarray, region: int, rng: np.random.Generator) -> tuple[int, int]:
        """Left and top of the crop in cells of the id map, on a multiple of a patch."""
        side = round(IDS_SIZE * self.fraction)
        step = IDS_SIZE // PATCHES
        ys, xs = np.nonzero(ids == region)
        pick = int(rng.integers(len(xs))) if len(xs) else 0
        center = (int(xs[pick]), int(ys[pick])) if len(xs) else (IDS_SIZE // 2, IDS_SIZE // 2)
        reach = round(side * _JITTER)
        out = []
        for value in center:
            start = value + int(rng.integers(-reach, reach + 1)) - side // 2
            out.append(min(max(start, 0), IDS_SIZE - side) // step * step)
        return out[0], out[1]


def _weights(ids: np.ndarray, cells: np.ndarray, region: int, rows: int) -> np.ndarray:
    """How much each region of a crop counts: float32 (rows,)."""
    whole = np.bincount(ids.ravel(), minlength=rows)[:rows]
    inside = np.bincount(cells.ravel(), minlength=rows)[:rows]
    enough = inside >= _LEAST_CELLS
    weights = (enough & (inside >= _WHOLE * whole)).astype(np.float32)
    if enough[region]:
        weights[region] = max(weights[region], _CUT_WEIGHT)
    return weights
