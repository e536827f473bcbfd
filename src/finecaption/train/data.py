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

from finecaption.synth.language import region_paragraph, scene_paragraph
from finecaption.synth.truth import RegionTruth, SceneTruth
from finecaption.train.asking import Asking
from finecaption.train.labels import HEADS, IGNORE, LINK_HEADS, region_row
from finecaption.train.packing import Packed, Turn, collate_packed, pack_dialogs
from finecaption.train.pool import Pool, PooledScene
from finecaption.train.questions import Dialog, region_dialogs, scene_question

PromptIds = Callable[[str], list[int]]  # instruction -> ids of the whole prompt, image included
AnswerIds = Callable[[str], list[int]]  # answer -> ids, end token included
TurnIds = Callable[[str], list[int]]  # instruction -> ids of a further turn, behind an answer


_TALKS = 0.5  # chance of a conversation in text without pictures, that of Asking


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
    """Pictures with their id map, class rows, and the row that each row is a part of (0: none)."""

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


def _stack_rows(tables: Sequence[torch.Tensor], filler: int) -> torch.Tensor:
    """Tables of different lengths stacked, the shorter ones filled below."""
    return torch.nn.utils.rnn.pad_sequence(list(tables), batch_first=True, padding_value=filler)


def collate_dense(items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Stacks; class rows are padded to the most regions, with rows that no pixel points to."""
    return {
        "pixel_values": torch.stack([i["pixel_values"] for i in items]),
        "ids": torch.stack([i["ids"] for i in items]),
        "labels": _stack_rows([i["labels"] for i in items], IGNORE),
        "parent": _stack_rows([i["parent"] for i in items], 0),
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
    """A picture, some of its regions, and packed questions on each."""

    def __init__(
        self, pool: Pool, items: int, seed: int,
        asking: Asking, prompt_ids: PromptIds, answer_ids: AnswerIds, turn_ids: TurnIds,
    ) -> None:  # fmt: skip
        super().__init__(pool, items, seed)
        self.asking, self.wording = asking, Wording(prompt_ids, answer_ids, turn_ids)

    def __getitem__(self, item: int) -> dict[str, Any]:
        scene, rng, asking = self.scene(item), self.rng(item), self.asking
        masks, rows, labels = [], [], []
        regions = choose_regions(scene.truth, rng, 0 if asking.whole >= 1 else asking.regions)
        for truth in regions:
            masks.append(_mask(scene, truth))
            dialogs = region_dialogs(truth, rng, asking.questions, asking.conversations)
            rows.append(self.wording.pack(dialogs))
            labels.append(region_row(truth))
        others = [r for r in scene.truth.regions if r not in regions]
        others = rng.sample(others, min(asking.labelled, len(others)))
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


@dataclass(frozen=True)
class CaptionCollator:
    """Items -> the arguments of FineCaptionForConditionalGeneration.forward.

    With ``labels`` also what JointTraining takes beside.
    """

    pad_token_id: int
    labels: bool = False

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        counts = torch.tensor([len(i["masks"]) for i in items])
        out = {}
        if self.labels:
            out["ids"] = torch.stack([i["ids"] for i in items])
            out["classes"] = _stack_rows([i["classes"] for i in items], IGNORE)
            out["region_classes"] = torch.cat([i["region_classes"] for i in items])
            # The regions with questions come first in each picture.
            out["asked"] = torch.cat(
                [torch.arange(len(i["masks"])) < len(i["rows"]) for i in items]
            )
        rows = [r for i in items for r in i["rows"]]
        if rows:
            out |= collate_packed(rows, self.pad_token_id)
        return {
            **out,
            "pixel_values": torch.stack([i["pixel_values"] for i in items]),
            "pixel_values_clip": torch.stack([i["pixel_values_clip"] for i in items]),
            "region_masks": torch.stack([m for i in items for m in i["masks"]]),
            "image_index": torch.repeat_interleave(torch.arange(len(items)), counts),
        }


class TextItems(PoolItems):
    """The world's text without its pictures: packed dialogs on one region, or on the scene."""

    def __init__(
        self, pool: Pool, items: int, seed: int,
        prompt_ids: PromptIds, answer_ids: AnswerIds, turn_ids: TurnIds,
    ) -> None:  # fmt: skip
        super().__init__(pool, items, seed)
        self.wording = Wording(prompt_ids, answer_ids, turn_ids)

    def __getitem__(self, item: int) -> Packed:
        scene, rng = self.scene(item), self.rng(item)
        regions = choose_regions(scene.truth, rng, 1)
        if regions and rng.random() < 0.85:
            return self.wording.pack(region_dialogs(regions[0], rng, 14, _TALKS))
        return self.wording.pack([[scene_question(scene.truth, rng)]])


@dataclass(frozen=True)
class TextCollator:
    """Packed texts -> the arguments of a causal language model."""

    pad_token_id: int

    def __call__(self, items: Sequence[Packed]) -> dict[str, torch.Tensor]:
        return collate_packed(items, self.pad_token_id)


class ContrastItems(PoolItems):
    """A picture with the texts of up to ``regions`` regions, and of the whole."""

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


@dataclass(frozen=True)
class ContrastCollator:
    """Items -> the arguments of ContrastivePretraining.forward."""

    tokenizer: Any
    longest: int = 96

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        texts = [t for i in items for t in i["texts"]]
        counts = torch.tensor([len(i["texts"]) for i in items])
        whole = torch.zeros(len(texts), dtype=torch.bool)
        whole[counts.cumsum(0) - 1] = True
        ids = [
            [*self.tokenizer(t, add_special_tokens=False)["input_ids"][: self.longest],
             self.tokenizer.eos_token_id]
            for t in texts
        ]  # fmt: skip
        rows = [torch.tensor(i) for i in ids]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=0)
        number = {t: k for k, t in enumerate(dict.fromkeys(texts))}
        return {
            "pixel_values_clip": torch.stack([i["pixel_values_clip"] for i in items]),
            "region_masks": torch.stack([m for i in items for m in i["masks"]]),
            "image_index": torch.repeat_interleave(torch.arange(len(items)), counts),
            "whole": whole,
            "input_ids": padded,
            "attention_mask": (padded != 0).long(),
            "names": torch.tensor([number[t] for t in texts]),
        }
