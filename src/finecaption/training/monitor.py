"""What the model says while it trains: a few samples' captions and images, in tensorboard.

Decoding goes through the model's own forward only, never through its parts, so that it also works
where FSDP2 gathers parameters around forward; there all processes must take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finecaption.draw import annotate
from finecaption.io.images import load_image
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training.strategies import Strategy
from finecaption.types import Caption, RegionSample

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LONGEST = 64  # tokens of a caption that is shown


@torch.no_grad()
def greedy(
    model: nn.Module, processor: FineCaptionProcessor, sample: RegionSample, longest: int = LONGEST
) -> str:
    """The model's answer to a sample's question.

    The model may be wrapped (DDP, FSDP2); its mode is put back. Every process decodes as many
    tokens as the others, since all see the same logits.
    """
    device = next(model.parameters()).device
    mask = None if sample.mask is None else sample.region().mask
    images = processor.image_processor
    inputs: dict[str, Any] = {
        key: torch.from_numpy(value).to(device)
        for key, value in images.image_inputs(sample.image).items()
    }
    inputs["region_masks"] = torch.from_numpy(images.region_inputs(mask, sample.size)).to(device)
    ids = torch.tensor([processor.prompt_ids(sample.instruction())], device=device)
    was_training = model.training
    model.eval()
    said: list[int] = []
    out = model(input_ids=ids, use_cache=True, logits_to_keep=1, **inputs)
    for _ in range(longest):
        token = int(out.logits[0, -1].argmax())
        if token == processor.tokenizer.eos_token_id:
            break
        said.append(token)
        out = model(
            input_ids=torch.tensor([[token]], device=device),
            use_cache=True,
            past_key_values=out.past_key_values,
        )
    model.train(was_training)
    return processor.answer(said)


def picture(sample: RegionSample, text: str) -> np.ndarray:
    """The image with its region outlined and the caption beside it: uint8 (h, w, 3)."""
    name = sample.attribute or sample.task
    caption = Caption(sample.region(), {name: text or "(nothing)"})
    return np.asarray(annotate(load_image(sample.image), [caption]).convert("RGB"))


class Board:
    """Writes captions and images where tensorboard finds them."""

    def __init__(self, folder: Path, processor: FineCaptionProcessor) -> None:
        """
        Args:
            folder: of the run's log.
        """
        self.folder, self.processor = folder, processor
        self.writer: SummaryWriter | None = None

    def write(self, samples: Sequence[RegionSample], texts: Sequence[str], step: int) -> None:
        """One entry a sample: question, reference, answer, and the image."""
        from torch.utils.tensorboard import SummaryWriter

        # One file for the whole run: readers take several in the order of their names, in which
        # two of the same second may stand the wrong way round.
        writer = self.writer = self.writer or SummaryWriter(str(self.folder))
        for number, (sample, text) in enumerate(zip(samples, texts, strict=True), 1):
            told = f"**{sample.instruction()}**\n\n{text}\n\n*reference:* {sample.text}"
            writer.add_text(f"samples/{number}", told, step)
            shown = picture(sample, text)
            writer.add_image(f"samples/{number}", shown, step, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Ends the file; a later write begins another."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


class CaptionMonitor(TrainerCallback):
    """Shows samples every so many steps, and at the end."""

    def __init__(
        self,
        samples: Sequence[RegionSample],
        processor: FineCaptionProcessor,
        every: int,
        folder: Path,
        strategy: Strategy | None = None,
    ) -> None:
        """
        Args:
            samples: what is asked, the same each time.
            every: steps.
            folder: of tensorboard's log.
            strategy: of the run; where it shards, all processes decode together.
        """
        self.strategy = strategy or Strategy()
        self.samples, self.processor, self.every = list(samples), processor, every
        self.board = Board(folder, processor)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Decodes and writes, if it is time."""
        due = state.global_step % self.every == 0 or state.global_step == state.max_steps
        alone = self.strategy.decodes_alone
        if not due or not self.samples or (alone and not state.is_world_process_zero):
            return
        model = getattr(kwargs["model"], "module", kwargs["model"])  # not through DDP: alone here
        with torch.autocast(args.device.type, torch.bfloat16, enabled=args.bf16):
            texts = [greedy(model, self.processor, sample) for sample in self.samples]
        self.strategy.settle(model)
        if state.is_world_process_zero:
            self.board.write(self.samples, texts, state.global_step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Closes the log."""
        self.board.close()
