"""From a stage of a recipe that starts from scratch to what `fit` takes, and to a whole model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

from finecaption.errors import InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.encoders import ConvNextTower, MaskAwareCLIP, SamTower
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training.config import Recipe, StageConfig
from finecaption.training.fit import Feed, in_batches
from finecaption.training.objectives import Objective
from finecaption.training.objectives.captions import Captions
from finecaption_synth.training.crops import CropItems
from finecaption_synth.training.items import CaptionItems, ContrastItems, DenseItems, TextItems
from finecaption_synth.training.objectives.clicks import ClickPretraining, Clicks
from finecaption_synth.training.objectives.contrastive import Contrastive
from finecaption_synth.training.objectives.dense import Dense, DenseHead
from finecaption_synth.training.objectives.labeled_captions import LabeledCaptions, LabelHeads
from finecaption_synth.training.objectives.region_labels import RegionHead
from finecaption_synth.training.objectives.text import Text
from finecaption_synth.training.options import SceneCaptions, SceneClicks, SceneCrops
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.rolling_pool import RollingPool, Window, rendering_ahead
from finecaption_synth.training.texts import Texts

STATE = "state.safetensors"  # a finished stage-0 module
HEADS_STATE = "heads.safetensors"  # label heads, beside the model that they were trained with


@dataclass
class TrainingJob:
    """The arguments of `fit`.

    Attributes:
        prepare: puts earlier states into the objective's module.
        beside: what must go on while it runs, as a context; of the first process.
    """

    model: nn.Module
    feed: Feed
    objective: Objective
    prepare: Callable[[nn.Module], None] | None = None
    beside: contextlib.AbstractContextManager[None] = field(default_factory=contextlib.nullcontext)


@dataclass(frozen=True)
class TrainingJobs:
    """Makes the jobs of one recipe in one folder."""

    recipe: Recipe
    root: Path
    config: FineCaptionConfig
    processor: FineCaptionProcessor

    def pretraining(self, stage: StageConfig, open_pool: Callable[[], Pool]) -> TrainingJob:
        """A stage that trains one part alone, from random weights or on from its forerunner."""
        stages = self.recipe.stages
        earlier = [s for s in stages[: stages.index(stage)] if s.objective == stage.objective]
        seed = self.recipe.seed + 100 * len(earlier)
        job = self._part(stage, open_pool, seed)
        if earlier:
            state = self._stage_state(earlier[-1])
            job.prepare = lambda module: _load(module, state)
        return job

    def _part(self, stage: StageConfig, open_pool: Callable[[], Pool], seed: int) -> TrainingJob:
        config, tokenizer = self.config, self.processor.tokenizer
        count = stage.steps * stage.batch
        if stage.objective == "dense":
            tower = ConvNextTower(config.convnext_config, config.convnext_norm_eps)
            statistics = (config.convnext_image_mean, config.convnext_image_std)
            dense = Dense(statistics, config.image_grid, config.convnext_channels)
            if stage.options is None or not stage.options.crop:
                return TrainingJob(
                    tower, in_batches(DenseItems(open_pool(), count, seed), stage), dense
                )
            crops = self._crops(stage, seed)
            beside = rendering_ahead(crops.pool, max(1, (os.cpu_count() or 1) - 1))
            return TrainingJob(tower, in_batches(crops, stage), dense, beside=beside)
        pool = open_pool()
        if stage.objective == "clicks":
            sam = SamTower(config.sam_config, config.sam_unshuffle)
            items = DenseItems(pool, count, seed + 1)
            return TrainingJob(sam, in_batches(items, stage), Clicks(config))
        if stage.objective == "contrastive":
            clip = MaskAwareCLIP(config.clip_config, config.clip_select_layer, config.mask_path)
            contrast = Contrastive(config, tokenizer, stage.options.regions)
            return TrainingJob(
                clip, in_batches(ContrastItems(pool, count, seed + 2), stage), contrast
            )
        llm = AutoModelForCausalLM.from_config(config.text_config)
        texts = Texts(self.processor, image=False).cached()
        text = TextItems(pool, count, seed + 3, *texts)
        return TrainingJob(llm, in_batches(text, stage), Text(tokenizer.pad_token_id))

    def _crops(self, stage: StageConfig, seed: int) -> CropItems:
        """The crops of a dense stage, on a rolling pool of its own."""
        options: SceneCrops = stage.options
        pool = RollingPool(
            self.root / f"pool-{stage.name}",
            "train",
            seed,
            Window(options.window, options.uses),
            clip_size=self.config.clip_size,
            hr_size=self.config.image_size,
        )
        return CropItems(pool, stage.steps * stage.batch, seed, options.crop)

    def captions(
        self,
        stage: StageConfig,
        pool: Pool,
        model: FineCaptionForConditionalGeneration,
        source: Path,
    ) -> TrainingJob:
        """A stage of the whole model: the paper's, with class labels beside if they have weight.

        Args:
            source: folder that ``model`` is from; the label heads that a stage before left in it
                are gone on with.
        """
        options: SceneCaptions = stage.options
        seed = self.recipe.seed + 10 + self.recipe.stages.index(stage)
        texts = Texts(self.processor).cached()
        items = CaptionItems(pool, stage.steps * stage.batch, seed, options, *texts)
        pad = self.processor.tokenizer.pad_token_id
        objective = Captions(pad)
        if options.region_labels > 0 or options.patch_labels > 0:
            heads = self._label_heads(model.config, source)
            objective = LabeledCaptions(pad, heads, options.patch_labels, options.region_labels)
        return TrainingJob(model, in_batches(items, stage), objective)

    def _label_heads(self, config: FineCaptionConfig, source: Path) -> LabelHeads:
        heads = LabelHeads(
            DenseHead(config.convnext_channels, config.image_grid),
            DenseHead(config.sam_config.output_channels, config.sam_grid),
            RegionHead(config.text_config.hidden_size),
        )
        if (source / HEADS_STATE).exists():
            heads.load_state_dict(load_file(source / HEADS_STATE))
        else:
            heads.convnext.load_state_dict(_below(self._state("dense"), "head."))
            heads.sam.load_state_dict(_below(self._state("clicks"), "dense.head."))
        return heads

    def decoder(
        self, stage: StageConfig, pool: Pool, model: FineCaptionForConditionalGeneration
    ) -> TrainingJob:
        """The click decoder alone, on the finished model's SAM tower (which stage 3 trained)."""
        config = model.config
        state, tower = self._state("clicks"), model.sam
        assert tower is not None  # a recipe with a clicks stage has a SAM tower

        def prepare(module: nn.Module) -> None:
            assert isinstance(module, ClickPretraining)
            _load(module, state)
            module.dense.tower.load_state_dict(tower.state_dict())

        items = DenseItems(pool, stage.steps * stage.batch, self.recipe.seed + 20)
        fresh = SamTower(config.sam_config, config.sam_unshuffle)
        objective = Clicks(config, decoder_only=True)
        return TrainingJob(fresh, in_batches(items, stage), objective, prepare)

    def assemble(self) -> FineCaptionForConditionalGeneration:
        """The whole model from the parts that stage 0 made; the adapter is new.

        Raises:
            InputError: a stage-0 run has not finished.
        """
        model = FineCaptionForConditionalGeneration(self.config)
        assert model.convnext is not None and model.sam is not None  # presets have both towers
        model.convnext.load_state_dict(_below(self._state("dense"), "tower."))
        model.sam.load_state_dict(_below(self._state("clicks"), "dense.tower."))
        model.clip.load_state_dict(_below(self._state("contrastive"), "clip."))
        llm = AutoModelForCausalLM.from_config(self.config.text_config)
        # Tied output weights are stored once.
        llm.load_state_dict(self._state("text"), strict=False)
        llm.tie_weights()
        model.language_model.load_state_dict(llm.model.state_dict())
        model.lm_head.load_state_dict(llm.lm_head.state_dict())
        return model

    def _state(self, objective: str) -> dict[str, torch.Tensor]:
        """What the last part pretraining of an objective has made."""
        runs = [s for s in self.recipe.stages if s.objective == objective and not fits_decoder(s)]
        return self._stage_state(runs[-1])

    def _stage_state(self, stage: StageConfig) -> dict[str, torch.Tensor]:
        path = self.root / stage.name / STATE
        if not path.exists():
            raise InputError(f"{path} is missing: run {stage.name} first")
        return load_file(path)


def fits_decoder(stage: StageConfig) -> bool:
    """Whether a stage fits the click decoder to the finished model."""
    return isinstance(stage.options, SceneClicks) and stage.options.decoder_only


def save_state(module: nn.Module, path: Path) -> None:
    """Writes a module's tensors, by way of a temporary name."""
    temporary = path.with_name(f".{path.name}.part")
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in module.state_dict().items()}
    save_file(tensors, temporary)
    temporary.replace(path)


def _load(module: nn.Module, state: dict[str, torch.Tensor]) -> None:
    module.load_state_dict(state)


def _below(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
