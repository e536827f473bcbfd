"""Table 2 of the paper in miniature: the same model told of its region in nine ways.

Every row starts from the same stage-0 parts and sees the same pictures, regions and questions, in
the same order, for the same number of steps. The two large towers stay as stage 0 left them, in
all rows alike, so that a picture's features are computed once for all rows; CLIP, the alpha
convolution, the adapter and the language model train. Beside the captions, all rows are asked for
the classes of the region (`RegionQuestion`), from where every row has been told which is meant.

Legend: B pictures, R regions, s the side of CLIP's square, g the grid of image tokens, T = g * g,
D the language model's width, L tokens a sequence.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import set_seed

from benchmarks.table2.data import FeaturedPool, RowCollator, RowItems, row_channels
from benchmarks.table2.region_prompts import BINS, Row, box_words, tell_mask, tell_picture, with_box
from finecaption.errors import InputError
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.parts import part_of, unused_by_captions
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training.config import StageConfig
from finecaption.training.fit import fit, in_batches
from finecaption_synth.training.jobs import save_state
from finecaption_synth.training.objectives.region_labels import REGION_CLASSES, region_loss
from finecaption_synth.training.options import SceneCaptions
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.texts import Texts

# --- the model of a row --------------------------------------------------------------------------


def row_model(
    base: FineCaptionForConditionalGeneration, row: Row
) -> FineCaptionForConditionalGeneration:
    """A row's model, of the base's parts; the adapter is new, and so are the words of boxes.

    The alpha convolution stays in all rows; those that are told nothing by it get full masks.
    """
    config = type(base.config).from_dict(base.config.to_dict())
    config.use_convnext, config.use_sam = row.convnext, row.sam
    model = FineCaptionForConditionalGeneration(config)
    model.clip.load_state_dict(base.clip.state_dict())
    for own, given in ((model.convnext, base.convnext), (model.sam, base.sam)):
        if own is not None and given is not None:
            own.load_state_dict(given.state_dict())
    model.language_model.load_state_dict(base.language_model.state_dict())
    model.lm_head.load_state_dict(base.lm_head.state_dict())
    if row.told == "box in words":
        words = base.config.text_config.vocab_size
        model.resize_token_embeddings(words + 2 * BINS, mean_resizing=False)
    return model


class RegionQuestion(nn.Module):
    """A region's classes, read by whoever knows which region is meant; thrown away after training.

    The language model's state at the end of what all questions share ("Describe this region:")
    has been told, in whatever way. It chooses among the image tokens (one attention) and is itself
    read; so a box in words can be learned here as well as a mask. finecaption.training's
    objectives.region_labels, which a mask alone can satisfy, is the same without that state.
    """

    def __init__(self, width: int) -> None:
        """
        Args:
            width: D.
        """
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.ask = nn.Linear(width, width)
        self.constant = nn.Linear(width, 1)
        self.heads = nn.Linear(2 * width, sum(REGION_CLASSES.values()))

    def forward(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(R, T, D) and (R, D) -> logits a head of REGION_CLASSES, each (R, classes)."""
        tokens = self.norm(tokens)
        asked = torch.einsum("rtd,rd->rt", tokens, self.ask(state)) / math.sqrt(tokens.shape[-1])
        weights = (asked[..., None] + self.constant(tokens)).softmax(dim=1)
        seen = torch.cat(((tokens * weights).sum(dim=1), state), dim=1)
        return self.heads(seen).split(list(REGION_CLASSES.values()), dim=1)


class RowTraining(nn.Module):
    """A row's model and its region question, as Trainer takes it: batch in, loss out."""

    def __init__(self, captioner: FineCaptionForConditionalGeneration, labels: float) -> None:
        """
        Args:
            labels: weight of the region's classes beside the captions.
        """
        super().__init__()
        self.captioner, self.labels = captioner, labels
        self.question = RegionQuestion(captioner.config.text_config.hidden_size)

    def forward(
        self,
        pixel_values_clip: torch.Tensor,
        region_masks: torch.Tensor,
        hr_features: torch.Tensor,
        image_index: torch.Tensor,
        region_classes: torch.Tensor,
        last_shared: torch.Tensor,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """
        Args:
            pixel_values_clip: uint8 (R, 3, s, s), a picture a region, since it may be drawn on.
            region_masks: uint8 (R, s, s).
            hr_features: (B, C, g, g), this row's channels; image_index: int64 (R,) into them.
            region_classes: int8 (R, heads).
            last_shared: int64 (R,), the place of the last token that all questions share.
            input_ids, position_ids, labels: (R, L); attention_mask (R, 1, L, L).

        Returns:
            loss, caption_loss (), region_accuracy (heads,).
        """
        model = self.captioner
        tokens = model.encode_regions(pixel_values_clip, region_masks, hr_features[image_index])
        hidden = model.model(
            input_ids=input_ids, position_ids=position_ids, attention_mask=attention_mask,
            region_features=tokens, use_cache=False,
        ).last_hidden_state  # fmt: skip
        target = labels[:, 1:]
        counted = target >= 0
        caption = F.cross_entropy(model.lm_head(hidden[:, :-1][counted]), target[counted])
        state = hidden[torch.arange(len(hidden), device=hidden.device), last_shared]
        named, accuracy = region_loss(self.question(tokens, state), region_classes)
        return {
            "loss": caption + self.labels * named,
            "caption_loss": caption.detach(),
            "region_accuracy": accuracy,
        }


# --- running -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """What every row gets.

    Attributes:
        steps, batch: optimiser steps, and pictures a step.
        regions, questions: the most of a picture, and of a region.
        scenes: training scenes of the pool.
        lr: peak learning rate.
        llm: factor on it for the language model, which stage 0 has taught to write.
        labels: weight of the region's classes beside the captions.
        seed: of weights, scenes and order.
    """

    steps: int = 2000
    batch: int = 8
    regions: int = 4
    questions: int = 6
    scenes: int = 10000
    lr: float = 7e-4
    llm: float = 0.5
    labels: float = 1.0
    seed: int = 0

    def stage(self) -> StageConfig:
        """The stage that is trained."""
        return StageConfig(
            "row",
            "captions",
            ("clip", "alpha", "adapter", "llm"),
            self.lr,
            self.batch,
            SceneCaptions(
                regions=self.regions, questions=self.questions, whole=0.0, conversations=0.0
            ),
            rates={"llm": self.llm},
            steps=self.steps,
            betas=(0.9, 0.98),
            seed=self.seed,
        )


WEIGHTS = "row.safetensors"
NOTE = "note.json"
_CAPTIONER = "captioner."


class RowCaptions:
    """A row's captions with the region's classes beside them, as `fit` takes it."""

    metrics: Mapping[str, Sequence[str]] = {
        "caption_loss": (),
        "region_accuracy": tuple(REGION_CLASSES),
    }

    def __init__(self, collate: RowCollator, labels: float) -> None:
        """
        Args:
            labels: weight of the region's classes.
        """
        self.collate, self.labels = collate, labels

    def wrap(self, model: nn.Module) -> RowTraining:
        """The row's model with a new region question."""
        return RowTraining(cast(FineCaptionForConditionalGeneration, model), self.labels)

    def part_of(self, name: str) -> str | None:
        """The captioner's part; None for the region question."""
        return part_of(name.removeprefix(_CAPTIONER)) if name.startswith(_CAPTIONER) else None

    def idle(self, module: nn.Module) -> frozenset[str]:
        """What captions do not depend on."""
        captioner = cast(RowTraining, module).captioner
        return frozenset(_CAPTIONER + name for name in unused_by_captions(captioner))


def train_row(
    row: Row,
    budget: Budget,
    base: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    pool: FeaturedPool,
    folder: Path,
) -> FineCaptionForConditionalGeneration:
    """Trains a row into a folder, or reads it from there; goes on from its last checkpoint.

    A row that was trained for fewer steps goes on from these: the learning rate rises again to
    where a cosine over all steps has it, and falls to zero once more.

    Raises:
        InputError: the folder holds the row at another budget, or at more steps.
    """
    settings = dataclasses.asdict(budget)
    set_seed(budget.seed)
    model = row_model(base, row)
    note, cpu = folder / NOTE, -time.process_time()
    if note.exists():
        told = json.loads(note.read_text())
        before, cpu = told["budget"], cpu + told["cpu_seconds"]
        if {**before, "steps": 0} != {**settings, "steps": 0} or before["steps"] > budget.steps:
            raise InputError(f"{folder}: was trained at another budget; use another folder")
        if before["steps"] == budget.steps:
            # strict fails on tied weights, one tensor under two names of which one is stored
            model.load_state_dict(load_file(folder / WEIGHTS), strict=False)
            return model.eval()
    stage = budget.stage()
    items = RowItems(
        row, base.config, cast(Pool, pool), budget.steps * budget.batch, budget.seed + 10,
        stage.options, *Texts(processor).cached(),
    )  # fmt: skip
    collate = RowCollator(processor.tokenizer.pad_token_id, row_channels(base.config, row))
    objective = RowCaptions(collate, budget.labels)
    folder.mkdir(parents=True, exist_ok=True)
    fitted = fit(stage, model, in_batches(items, stage), objective, folder / "work")
    save_state(model, folder / WEIGHTS)
    told = {
        "row": row.name,
        "budget": settings,
        "seconds": fitted.note["seconds"],
        "cpu_seconds": round(cpu + time.process_time(), 1),  # without what a kill cut short
        "train_loss": fitted.note["train_loss"],
        "parameters_trained": sum(p.numel() for p in fitted.module.parameters() if p.requires_grad),
        "hardware": fitted.note["hardware"],
    }
    temporary = note.with_name(f".{NOTE}.part")
    temporary.write_text(json.dumps(told, indent=1) + "\n")
    temporary.replace(note)
    return model.eval()


@dataclass(frozen=True)
class Asked:
    """Questions on one region of a picture that the rows never saw.

    Attributes:
        clip: uint8 (s, s, 3); mask: uint8 (s, s); features: float16 (C, g, g), all channels.
        instructions: what is asked.
    """

    clip: np.ndarray
    mask: np.ndarray
    features: np.ndarray
    instructions: tuple[str, ...]


@torch.inference_mode()
def answer(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    row: Row,
    base_config: Any,
    asked: Sequence[Asked],
    max_new_tokens: int = 48,
) -> list[list[str]]:
    """Greedy answers, a list a region, in one batch."""
    device = next(model.parameters()).device
    features = torch.from_numpy(np.stack([a.features for a in asked])).float()
    tokens = model.encode_regions(
        torch.stack([tell_picture(a.clip, a.mask, row) for a in asked]).to(device),
        torch.stack([tell_mask(a.mask, row) for a in asked]).to(device),
        features[:, row_channels(base_config, row)].to(device),
    )
    prompts: list[list[int]] = []
    of: list[int] = []
    for i, a in enumerate(asked):
        for instruction in a.instructions:
            ids = list(processor.prompt_ids(instruction))
            if row.told == "box in words":
                first = base_config.text_config.vocab_size
                words = [first + w for w in box_words(a.mask)]
                ids = with_box(ids, base_config.image_token_id, words)
            prompts.append(ids)
            of.append(i)
    longest = max(map(len, prompts))
    pad = processor.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=device)
    attends = torch.tensor(
        [[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device
    )
    made = model.generate(
        input_ids=ids, attention_mask=attends, region_features=tokens[of], do_sample=False,
        max_new_tokens=max_new_tokens, pad_token_id=pad,
        eos_token_id=processor.tokenizer.eos_token_id,
    )[:, longest:]  # fmt: skip
    known = len(processor.tokenizer)
    told = iter(made.tolist())
    return [
        [processor.answer([t for t in next(told) if t < known]) for _ in a.instructions]
        for a in asked
    ]
