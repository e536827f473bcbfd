"""From a stage to what Trainer takes: module, items, collator; and back to a saved model."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    dense_instruction,
    global_instruction,
    region_instruction,
)
from finecaption.errors import InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.encoders import ConvNextTower, MaskAwareCLIP, SamTower
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.parts import part_of, unused_by_captions
from finecaption.model.presets import PRESETS
from finecaption.model.processing import FineCaptionProcessor
from finecaption.model.tokenizer import build_word_tokenizer
from finecaption.segmentation.click import ClickDecoder
from finecaption.synth.language import corpus
from finecaption.train import data
from finecaption.train.clicks import ClickPretraining
from finecaption.train.contrast import ContrastivePretraining
from finecaption.train.crops import CropItems, collate_crops
from finecaption.train.dense import DenseHead, DensePretraining
from finecaption.train.joint import JointTraining, LabelHeads
from finecaption.train.pool import Pool
from finecaption.train.recipes import Recipe, Stage
from finecaption.train.regions import RegionHead
from finecaption.train.rolling_pool import RollingPool, Window, rendering_ahead

STATE = "state.safetensors"  # a finished stage-0 module
HEADS_STATE = "heads.safetensors"  # label heads, beside the model that they were trained with


def prompts() -> list[str]:
    """Every instruction there is."""
    return [*map(region_instruction, ATTRIBUTE_NAMES), dense_instruction(), global_instruction()]


def make_processor(preset: str) -> tuple[FineCaptionConfig, FineCaptionProcessor]:
    """The config of a preset and its processor, with a tokenizer of the world's words."""
    tokenizer = build_word_tokenizer(itertools.chain(corpus(), prompts()))
    config = PRESETS[preset](
        vocab_size=len(tokenizer), image_token_id=tokenizer.convert_tokens_to_ids("<image>")
    )
    return config, FineCaptionProcessor.for_config(config, tokenizer, capitalise=True)


@dataclass(frozen=True)
class Texts:
    """Instructions and answers as token ids, remembered: there are few prompts."""

    processor: FineCaptionProcessor
    image: bool = True

    def prompt_ids(self, instruction: str) -> list[int]:
        """Ids of a whole prompt; with ``image`` its placeholders are expanded."""
        if self.image:
            return list(self.processor.prompt_ids(instruction))
        text = self.processor.prompt(instruction, image=False)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def answer_ids(self, answer: str) -> list[int]:
        """Ids of an answer and the end token."""
        ids = self._tokenizer(answer, add_special_tokens=False)["input_ids"]
        return [*ids, self._tokenizer.eos_token_id]

    def turn_ids(self, instruction: str) -> list[int]:
        """Ids of a further question of a conversation, behind an answer."""
        return list(self.processor.turn_ids(instruction))

    @property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return self.processor.tokenizer

    def cached(
        self,
    ) -> tuple[Callable[[str], list[int]], Callable[[str], list[int]], Callable[[str], list[int]]]:
        """(prompt_ids, answer_ids, turn_ids); every known prompt is computed once."""
        first = {p: self.prompt_ids(p) for p in prompts()}
        later = {p: self.turn_ids(p) for p in prompts()}
        return first.__getitem__, self.answer_ids, later.__getitem__


@dataclass
class Job:
    """What a stage runs.

    Attributes:
        module: what Trainer moves; its forward returns {"loss": ...}.
        items, collate: its data.
        part_of: parameter name -> part of the finished model, None for what is thrown away.
        idle: parameters that its loss does not depend on.
        beside: what must go on while it runs, as a context.
    """

    module: nn.Module
    items: Dataset
    collate: Callable[[Sequence[Any]], Any]
    part_of: Callable[[str], str | None]
    idle: frozenset[str] = frozenset()
    beside: contextlib.AbstractContextManager[None] = field(default_factory=contextlib.nullcontext)


def _prefix(table: dict[str, str]) -> Callable[[str], str | None]:
    def find(name: str) -> str | None:
        return next((part for start, part in table.items() if name.startswith(start)), None)

    return find


def _clip(config: FineCaptionConfig) -> MaskAwareCLIP:
    return MaskAwareCLIP(config.clip_config, config.clip_select_layer, config.mask_path)


def _click_module(config: FineCaptionConfig) -> ClickPretraining:
    tower = SamTower(config.sam_config, config.sam_unshuffle)
    statistics = (config.sam_image_mean, config.sam_image_std)
    channels = config.sam_config.output_channels
    dense = DensePretraining(tower, statistics, config.sam_grid, channels)
    return ClickPretraining(dense, ClickDecoder.for_model(config))


def pretraining_job(
    recipe: Recipe, stage: Stage, open_pool: Callable[[], Pool], config: FineCaptionConfig,
    processor: FineCaptionProcessor, root: Path,
) -> Job:  # fmt: skip
    """A stage that trains one part alone, from random weights or on from the run of its kind."""
    earlier = [s for s in recipe.stages[: recipe.stages.index(stage)] if s.kind == stage.kind]
    seed = recipe.seed + 100 * len(earlier)
    job = _part_job(recipe, stage, open_pool, config, processor, seed, root)
    if earlier:
        job.module.load_state_dict(_stage_state(root, earlier[-1]))
    return job


def _part_job(
    recipe: Recipe, stage: Stage, open_pool: Callable[[], Pool], config: FineCaptionConfig,
    processor: FineCaptionProcessor, seed: int, root: Path,
) -> Job:  # fmt: skip
    count = stage.steps * stage.batch
    tokenizer = processor.tokenizer
    if stage.kind == "dense":
        tower = ConvNextTower(config.convnext_config, config.convnext_norm_eps)
        statistics = (config.convnext_image_mean, config.convnext_image_std)
        module: nn.Module = DensePretraining(
            tower, statistics, config.image_grid, config.convnext_channels
        )
        parts = _prefix({"tower.": "convnext"})
        if stage.crop:
            crops = crop_items(stage, config, root / f"pool-{stage.name}", seed)
            workers = max(1, (os.cpu_count() or 1) - 1)
            beside = rendering_ahead(crops.pool, workers)
            return Job(module, crops, collate_crops, parts, beside=beside)
        items: Dataset = data.DenseItems(open_pool(), count, seed)
        return Job(module, items, data.collate_dense, parts)
    if stage.kind == "clicks":
        items = data.DenseItems(open_pool(), count, seed + 1)
        return Job(
            _click_module(config), items, data.collate_dense, _prefix({"dense.tower.": "sam"})
        )
    if stage.kind == "contrast":
        module = ContrastivePretraining(
            _clip(config), (config.clip_image_mean, config.clip_image_std),
            ((config.mask_mean,), (config.mask_std,)),
            len(tokenizer), tokenizer.eos_token_id, regions=stage.regions,
        )  # fmt: skip
        items = data.ContrastItems(open_pool(), count, seed + 2)
        table = {"clip.vision.": "clip", "clip.alpha.": "alpha"}
        return Job(module, items, data.ContrastCollator(tokenizer), _prefix(table))
    module = AutoModelForCausalLM.from_config(config.text_config)
    items = data.TextItems(open_pool(), count, seed + 3, *Texts(processor, image=False).cached())
    collate = data.TextCollator(tokenizer.pad_token_id)
    return Job(module, items, collate, lambda name: "llm")


def crop_items(stage: Stage, config: FineCaptionConfig, folder: Path, seed: int) -> CropItems:
    """The crops of a dense stage, on a rolling pool of its own."""
    window = Window(stage.window, stage.uses)
    pool = RollingPool(
        folder, "train", seed, window, clip_size=config.clip_size, hr_size=config.image_size
    )
    return CropItems(pool, stage.steps * stage.batch, seed, stage.crop)


_CAPTIONER = "captioner."  # JointTraining's prefix of the model's parameters
_PATCH_HEADS = ("heads.convnext.", "heads.sam.")
_REGION_HEAD = ("heads.region.",)


def caption_job(
    recipe: Recipe, stage: Stage, pool: Pool, model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor, root: Path, source: Path,
) -> Job:  # fmt: skip
    """A stage of the whole model: the paper's, with ``stage.labels`` class labels beside.

    Args:
        source: folder that ``model`` is from; the label heads that a stage before left in it are
            gone on with.
    """
    items = data.CaptionItems(
        pool, stage.steps * stage.batch, recipe.seed + 10 + recipe.stages.index(stage),
        stage.asking, *Texts(processor).cached(),
    )  # fmt: skip
    beside = stage.labels > 0 or stage.dense > 0
    collate = data.CaptionCollator(processor.tokenizer.pad_token_id, labels=beside)
    idle = unused_by_captions(model)
    if not beside:
        return Job(model, items, collate, part_of, frozenset(idle))
    joint = JointTraining(
        model, _label_heads(recipe, model.config, root, source), stage.dense, stage.labels
    )

    def find(name: str) -> str | None:
        return part_of(name.removeprefix(_CAPTIONER)) if name.startswith(_CAPTIONER) else None

    silent = (*_PATCH_HEADS * (not stage.dense), *_REGION_HEAD * (not stage.labels))
    unused = {_CAPTIONER + n for n in idle}
    unused |= {n for n, _ in joint.named_parameters() if n.startswith(silent)}
    return Job(joint, items, collate, find, frozenset(unused))


def _label_heads(recipe: Recipe, config: FineCaptionConfig, root: Path, source: Path) -> LabelHeads:
    heads = LabelHeads(
        DenseHead(config.convnext_channels, config.image_grid),
        DenseHead(config.sam_config.output_channels, config.sam_grid),
        RegionHead(config.text_config.hidden_size),
    )
    if (source / HEADS_STATE).exists():
        heads.load_state_dict(load_file(source / HEADS_STATE))
    else:
        heads.convnext.load_state_dict(_below(_state(root, "dense", recipe), "head."))
        heads.sam.load_state_dict(_below(_state(root, "clicks", recipe), "dense.head."))
    return heads


def decoder_job(
    recipe: Recipe, stage: Stage, pool: Pool, model: FineCaptionForConditionalGeneration,
    root: Path,
) -> Job:  # fmt: skip
    """The click decoder alone, on the finished model's SAM tower (which stage 3 moved)."""
    module = _click_module(model.config)
    module.load_state_dict(_state(root, "clicks", recipe))
    assert model.sam is not None  # a recipe with a clicks stage has a SAM tower
    module.dense.tower.load_state_dict(model.sam.state_dict())
    items = data.DenseItems(pool, stage.steps * stage.batch, recipe.seed + 20)
    table = {"dense.tower.": "sam", "dense.head.": "sam"}
    return Job(module, items, data.collate_dense, _prefix(table))


def _state(root: Path, kind: str, recipe: Recipe) -> dict[str, torch.Tensor]:
    """What the last pretraining run of a kind has made."""
    runs = [s for s in recipe.stages if s.kind == kind and not s.decoder_only]
    return _stage_state(root, runs[-1])


def _stage_state(root: Path, stage: Stage) -> dict[str, torch.Tensor]:
    path = root / stage.name / STATE
    if not path.exists():
        raise InputError(f"{path} is missing: run {stage.name} first")
    return load_file(path)


def save_state(module: nn.Module, path: Path) -> None:
    """Writes a module's tensors, by way of a temporary name."""
    temporary = path.with_name(f".{path.name}.part")
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}
    save_file(tensors, temporary)
    temporary.replace(path)


def _below(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}


def assemble(
    recipe: Recipe, root: Path, config: FineCaptionConfig
) -> FineCaptionForConditionalGeneration:
    """The whole model from the parts that stage 0 made; the adapter is new.

    Raises:
        InputError: a stage-0 run has not finished.
    """
    model = FineCaptionForConditionalGeneration(config)
    assert model.convnext is not None and model.sam is not None  # presets have both towers
    model.convnext.load_state_dict(_below(_state(root, "dense", recipe), "tower."))
    model.sam.load_state_dict(_below(_state(root, "clicks", recipe), "dense.tower."))
    model.clip.load_state_dict(_below(_state(root, "contrast", recipe), "clip."))
    llm = AutoModelForCausalLM.from_config(config.text_config)
    # Tied output weights are stored once.
    llm.load_state_dict(_state(root, "text", recipe), strict=False)
    llm.tie_weights()
    model.language_model.load_state_dict(llm.model.state_dict())
    model.lm_head.load_state_dict(llm.lm_head.state_dict())
    return model
