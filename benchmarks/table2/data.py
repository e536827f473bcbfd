"""What the ablation's rows are trained on: scenes with the towers' features, told in a row's way.

Legend: B pictures, R regions, s the side of CLIP's square, S that of the large picture, g the grid
of image tokens, C the channels of both large towers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.table2.region_prompts import Row, box_words, tell_mask, tell_picture
from finecaption.errors import InputError
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.training.packing import Packed, collate_packed
from finecaption_synth.training.items import CaptionItems
from finecaption_synth.training.pool import SHARD, Pool, PooledScene


class FeaturedPool:
    """A pool whose scenes hold the large towers' features in place of the large picture.

    `hr` is float16 (g, g, C), channels ConvNeXt then SAM, memory-mapped.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.pool = pool
        shards = -(-len(pool) // SHARD)
        missing = [k for k in range(shards) if not _shard(folder, k).exists()]
        if missing:
            raise InputError(f"{_shard(folder, missing[0])}: is missing; fill the features first")
        self._shards = [np.load(_shard(folder, k), mmap_mode="r") for k in range(shards)]

    def __len__(self) -> int:
        return len(self.pool)

    def __getitem__(self, index: int) -> PooledScene:
        features = self._shards[index // SHARD][index % SHARD]
        return replace(self.pool[index], hr=np.moveaxis(features, 0, -1))


def _shard(folder: Path, number: int) -> Path:
    return folder / f"features-{number:04d}.npy"


@torch.no_grad()
def tower_features(
    base: FineCaptionForConditionalGeneration, pictures: Sequence[np.ndarray], batch: int = 16
) -> np.ndarray:
    """float16 (N, C, g, g) of N uint8 (S, S, 3) pictures, channels ConvNeXt then SAM."""
    device = next(base.parameters()).device
    out = []
    for i in range(0, len(pictures), batch):
        pixels = torch.from_numpy(np.stack(pictures[i : i + batch])).permute(0, 3, 1, 2)
        out.append(base.encode_image(pixels.to(device)).half().cpu().numpy())
    return np.concatenate(out)


def fill_features(
    base: FineCaptionForConditionalGeneration, pool: Pool, folder: Path
) -> Iterator[int]:
    """Runs the towers over a pool, SHARD scenes a file; yields scenes done. Goes on when stopped.

    A last file of fewer scenes than the pool now has is written again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base.eval()
    for first in range(0, len(pool), SHARD):
        scenes = range(first, min(first + SHARD, len(pool)))
        path = _shard(folder, first // SHARD)
        if not path.exists() or len(np.load(path, mmap_mode="r")) < len(scenes):
            features = tower_features(base, [pool[i].hr for i in scenes])
            temporary = path.with_name(f".{path.name}.part.npy")
            np.save(temporary, features)
            os.replace(temporary, path)
        yield scenes.stop


class RowItems(CaptionItems):
    """CaptionItems whose picture, mask and prompt tell the region in a row's way."""

    def __init__(self, row: Row, config: Any, *args: Any) -> None:
        super().__init__(*args)
        self.row, self.config = row, config

    def __getitem__(self, item: int) -> dict[str, Any]:
        drawn = super().__getitem__(item)  # pixel_values holds the features, see FeaturedPool
        picture = drawn["pixel_values_clip"].permute(1, 2, 0).numpy()
        masks = [m.numpy() for m in drawn["masks"]]
        rows = drawn["rows"]
        if self.row.told == "box in words":
            first = self.config.text_config.vocab_size
            token = self.config.image_token_id
            rows = [
                _boxed(r, token, [first + w for w in box_words(m)])
                for r, m in zip(rows, masks, strict=True)
            ]
        return {
            "clip": [tell_picture(picture, m, self.row) for m in masks],
            "masks": [tell_mask(m, self.row) for m in masks],
            "features": drawn["pixel_values"],
            "rows": rows,
            "region_classes": drawn["region_classes"],
        }


def _boxed(packed: Packed, image_token: int, words: Sequence[int]) -> Packed:
    """A packed sequence with a box behind its image tokens, in the prefix that all share."""
    end = max(i for i, token in enumerate(packed.input_ids) if token == image_token) + 1
    count = len(words)
    later = [p + count for p in packed.position_ids[end:]]
    return Packed(
        [*packed.input_ids[:end], *words, *packed.input_ids[end:]],
        [*packed.position_ids[:end], *range(end, end + count), *later],
        [*packed.segments[:end], *[0] * count, *packed.segments[end:]],
        [*packed.labels[:end], *[-100] * count, *packed.labels[end:]],
    )


@dataclass(frozen=True)
class RowCollator:
    """Items -> the arguments of RowTraining.forward.

    Attributes:
        pad_token_id: of the tokenizer.
        channels: of the features, those that the row's towers make.
    """

    pad_token_id: int
    channels: slice

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        rows = [r for i in items for r in i["rows"]]
        counts = torch.tensor([len(i["rows"]) for i in items])
        features = torch.stack([i["features"] for i in items])[:, self.channels]
        return {
            **collate_packed(rows, self.pad_token_id),
            "pixel_values_clip": torch.stack([c for i in items for c in i["clip"]]),
            "region_masks": torch.stack([m for i in items for m in i["masks"]]),
            "hr_features": features.float(),
            "image_index": torch.repeat_interleave(torch.arange(len(items)), counts),
            "region_classes": torch.cat([i["region_classes"] for i in items]),
            "last_shared": torch.tensor([r.segments.count(0) - 1 for r in rows]),
        }


def row_channels(config: Any, row: Row) -> slice:
    """Of the base's features (ConvNeXt, then SAM), those of a row's towers."""
    middle = config.convnext_channels
    start = 0 if row.convnext else middle
    return slice(start, config.hr_channels if row.sam else middle)
