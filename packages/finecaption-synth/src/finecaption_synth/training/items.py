"""A pool's scenes as training items and batches.

Every dataset is a pure function of (pool, seed, item number), so that a run that resumes at step
k sees exactly the batches it would have seen. There are no epochs: item i of any number is drawn
afresh.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from finecaption.training.packing import Packed, Turn, pack_dialogs
from finecaption_synth.language import region_paragraph, scene_paragraph
from finecaption_synth.training.labels import HEADS, IGNORE, LINK_HEADS, region_row
from finecaption_synth.training.options import SceneCaptions
from finecaption_synth.training.pool import Pool, PooledScene
from finecaption_synth.training.questions import Dialog, region_dialogs, scene_question
from finecaption_synth.truth import RegionTruth, SceneTruth

PromptIds = Callable[[str], list[int]]  # instruction -> ids of the whole prompt, image included
AnswerIds = Callable[[str], list[int]]  # answer -> ids, end token included
TurnIds = Callable[[str], list[int]]  # instruction -> ids of a further turn, behind an answer


_TALKS = 0.5  # chance of a conversation in text without images, that of SceneCaptions


def _pixels(array: np.ndarray) -> torch.Tensor:
    """uint8 (h, w, 3) -> uint8 (3, h, w)."""
    return torch.from_numpy(np.array(array)).permute(2, 0, 1).contiguous()


class PoolItems(Dataset):
    """``items`` draws from a pool, each a scene in a seeded shuffle of the pool."""

    def __init__(self, pool: Pool, items: int, seed: int) -> None:
        self.pool = pool
        self.items = items
        self.seed = seed
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self.items

    def scene(self, item: int) -> PooledScene:
        """The scene of an item: pass k over the pool is its k-th permutation."""
        turn, place = divmod(item, len(self.pool))
        if turn not in self._orders:
            order = np.random.default_rng((self.seed, turn)).permutation(len(self.pool))
            self._orders = {turn: order}
        return self.pool[int(self._orders[turn][place])]

    def rng(self, item: int) -> random.Random:
        """The random stream of an item."""
        return random.Random(f"{self.seed}/{item}")


class DenseItems(PoolItems):
    """Images with their id map, class rows, and the row that each row is a part of (0: none)."""

    def __getitem__(self, item: int) -> dict[str, Any]:
        scene = self.scene(item)
        return {
            "pixel_values": _pixels(scene.hr),
            "ids": torch.from_numpy(np.array(scene.ids)),
            "labels": torch.from_numpy(np.array(scene.labels)),
            "parent": torch.tensor(
                [0, *(r.part_of or 0 for r in scene.truth.regions)], dtype=torch.int8
            ),
        }


@dataclass(frozen=True)
class Wording:
    """Dialogs as token ids."""

    prompt_ids: PromptIds
    answer_ids: AnswerIds
    turn_ids: TurnIds

    def pack(self, dialogs: Sequence[Dialog]) -> Packed:
        """Dialogs on one region as one sequence."""
        return pack_dialogs([self._turns(dialog) for dialog in dialogs])

    def _turns(self, dialog: Dialog) -> list[Turn]:
        (first, answer), *later = dialog
        turns: list[Turn] = [(self.prompt_ids(first), self.answer_ids(answer))]
        return turns + [(self.turn_ids(q), self.answer_ids(a)) for q, a in later]


class CaptionItems(PoolItems):
    """An image, some of its regions, and packed questions on each."""

    def __init__(
        self,
        pool: Pool,
        items: int,
        seed: int,
        asking: SceneCaptions,
        prompt_ids: PromptIds,
        answer_ids: AnswerIds,
        turn_ids: TurnIds,
    ) -> None:
        super().__init__(pool, items, seed)
        self.asking, self.wording = asking, Wording(prompt_ids, answer_ids, turn_ids)

    def __getitem__(self, item: int) -> dict[str, Any]:
        rng, asking = self.rng(item), self.asking
        scene, focus, wanted = self._choose(item, rng)
        masks, rows, labels = [], [], []
        regions = choose_regions(scene.truth, rng, 0 if asking.whole >= 1 else asking.regions)
        if focus is not None and regions:
            regions = [focus, *(r for r in regions if r is not focus)][: asking.regions]
        for truth in regions:
            masks.append(_mask(scene, truth))
            dialogs = region_dialogs(
                truth,
                rng,
                asking.questions,
                asking.conversations,
                wanted if truth is focus else None,
            )
            rows.append(self.wording.pack(dialogs))
            labels.append(region_row(truth))
        others = [r for r in scene.truth.regions if r not in regions]
        others = rng.sample(others, min(asking.labeled, len(others)))
        if focus is not None and asking.labeled and focus not in (*regions, *others):
            others = [focus, *others][: asking.labeled]
        if not (regions or others) or rng.random() < asking.whole:
            masks.append(torch.full(scene.clip.shape[:2], 255, dtype=torch.uint8))
            rows.append(self.wording.pack([[scene_question(scene.truth, rng)]]))
            labels.append(np.full(len(HEADS) + len(LINK_HEADS), IGNORE, dtype=np.int8))
        for truth in others:
            masks.append(_mask(scene, truth))
            labels.append(region_row(truth))
        return {
            "pixel_values": _pixels(scene.hr),
            "pixel_values_clip": _pixels(scene.clip),
            "masks": masks,
            "rows": rows,
            "region_classes": torch.from_numpy(np.stack(labels)),
            "ids": torch.from_numpy(np.array(scene.ids)),
            "classes": torch.from_numpy(np.array(scene.labels)),
        }

    def _choose(
        self, item: int, rng: random.Random
    ) -> tuple[PooledScene, RegionTruth | None, str | None]:
        """A scene, and if it was chosen for the sake of a region and an attribute, those two."""
        if rng.random() >= self.asking.balanced:
            return self.scene(item), None, None
        head = rng.randrange(len(HEADS))
        entries = self.pool.by_head[head]
        if not len(entries):
            return self.scene(item), None, None
        index, region = entries[rng.randrange(len(entries))]
        scene = self.pool[int(index)]
        return scene, scene.truth.regions[int(region) - 1], list(HEADS.values())[head][0]


def _mask(scene: PooledScene, truth: RegionTruth) -> torch.Tensor:
    """uint8 (s, s) of a region."""
    return torch.from_numpy(np.array(scene.masks[truth.region_id - 1]))


def choose_regions(truth: SceneTruth, rng: random.Random, most: int) -> list[RegionTruth]:
    """Some regions of a scene: wholes first of all, a part now and then."""
    wholes = [r for r in truth.regions if r.part_of is None]
    parts = [r for r in truth.regions if r.part_of is not None]
    rng.shuffle(wholes)
    rng.shuffle(parts)
    chosen = wholes[:most]
    if parts and chosen and rng.random() < 0.4:
        chosen = [*chosen[: most - 1], parts[0]]
    return chosen


class TextItems(PoolItems):
    """The world's text without its images: packed dialogs on one region, or on the scene."""

    def __init__(
        self,
        pool: Pool,
        items: int,
        seed: int,
        prompt_ids: PromptIds,
        answer_ids: AnswerIds,
        turn_ids: TurnIds,
    ) -> None:
        super().__init__(pool, items, seed)
        self.wording = Wording(prompt_ids, answer_ids, turn_ids)

    def __getitem__(self, item: int) -> Packed:
        scene, rng = self.scene(item), self.rng(item)
        regions = choose_regions(scene.truth, rng, 1)
        if regions and rng.random() < 0.85:
            return self.wording.pack(region_dialogs(regions[0], rng, 14, _TALKS))
        return self.wording.pack([[scene_question(scene.truth, rng)]])


class ContrastItems(PoolItems):
    """An image with the texts of up to ``regions`` regions, and of the whole."""

    def __init__(self, pool: Pool, items: int, seed: int, regions: int = 4) -> None:
        super().__init__(pool, items, seed)
        self.regions = regions

    def __getitem__(self, item: int) -> dict[str, Any]:
        scene, rng = self.scene(item), self.rng(item)
        chosen = choose_regions(scene.truth, rng, self.regions)
        masks = [torch.from_numpy(np.array(scene.masks[r.region_id - 1])) for r in chosen]
        masks.append(torch.full(scene.clip.shape[:2], 255, dtype=torch.uint8))
        texts = [region_paragraph(r, rng) for r in chosen]
        return {
            "pixel_values_clip": _pixels(scene.clip),
            "masks": masks,
            "texts": [*texts, scene_paragraph(scene.truth, rng)],
        }
