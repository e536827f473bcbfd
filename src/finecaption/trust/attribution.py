"""Attribution: the pixels that a word of an answer depends on, by gradient-weighted attention.

The language model's attention from the place where a word is predicted to the image tokens,
weighted by the gradient of the word's log-probability, in the spirit of Grad-CAM (Selvaraju et al.
2017, arXiv:1610.02391). What reaches that place by way of earlier words of the prompt and the
answer is followed too: per layer the mean over heads of max(0, gradient x attention) is
accumulated as R <- R + A R (Chefer et al. 2021, arXiv:2103.15679, eq. 5 and 6).

The map is as fine as the image tokens (8 x 8 for the shipped model): it says whereabouts, not
which edge. benchmarks/evidence.py measures how much of it lies on the described thing.

Legend: T image tokens of a region, g = sqrt(T) their grid, L tokens of prompt and answer, D the
language model's width, S the side of the square that the image is placed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from finecaption.errors import InputError
from finecaption.inference.prepare import EncodedImage
from finecaption.io.geometry import place_in_square
from finecaption.io.images import ImageSource
from finecaption.request import parse_region
from finecaption.types import RegionPrompt

if TYPE_CHECKING:
    from finecaption.captioner import FineCaption


def answer_words(captioner: FineCaption, instruction: str, answer: str) -> list[list[int]]:
    """The tokens of each word of an answer; words are what `answer.split()` gives.

    Returns:
        For each word its positions in `processor.prompt_ids(instruction, answer)`, without those
        of punctuation where there are others. Empty for a word that the tokenizer does not tell
        from its neighbors.
    """
    processor = captioner.processor
    start = len(processor.prompt_ids(instruction))
    ids = processor.prompt_ids(instruction, answer)[start:]
    words: list[list[int]] = [[] for _ in answer.split()]
    marks: list[list[int]] = [[] for _ in words]
    before = ""
    for count in range(1, len(ids) + 1):
        text = processor.answer(ids[:count])
        number = len(text.split()) - 1
        if 0 <= number < len(words) and text != before:
            piece = text[len(before) :] if text.startswith(before) else text
            where = words if any(sign.isalnum() for sign in piece) else marks
            where[number].append(start + count - 1)
        before = text
    return [own or other for own, other in zip(words, marks, strict=True)]


def evidence_map(
    captioner: FineCaption,
    image: ImageSource | EncodedImage,
    region: Any,
    instruction: str,
    answer: str,
    word_index: int,
) -> np.ndarray:
    """The pixels that a word depends on.

    Args:
        captioner: whose answer it is. Its language model computes attention the plain way for the
            time of the call: no other call may run on it meanwhile.
        image: anything `load_image` opens, or what `captioner.encode` returned.
        region: what was described: a `Region`, a mask or COCO RLE; None: the whole image.
        instruction: the question (`finecaption.attributes`).
        answer: the text that was given.
        word_index: of the word in `answer.split()`, from 0.

    Returns:
        float32 (H, W) in 0..1 at the image's size, the greatest 1; all 0 if nothing visual
        spoke for the word.

    Raises:
        InputError: no such word, an empty answer, an unusable region or image.
    """
    return evidence_maps(captioner, image, region, instruction, answer, [word_index])[0]


def evidence_maps(
    captioner: FineCaption,
    image: ImageSource | EncodedImage,
    region: Any,
    instruction: str,
    answer: str,
    word_indices: Sequence[int],
) -> list[np.ndarray]:
    """`evidence_map` for several words of one answer, which share the work before the gradients."""
    words = answer_words(captioner, instruction, answer)
    if not words:
        raise InputError("answer: is empty; evidence is of a word of it")
    for number in word_indices:
        if not 0 <= number < len(words):
            raise InputError(
                f"word_index: must be from 0 to {len(words) - 1} for this answer; got {number}"
            )
        if not words[number]:
            raise InputError(f"word_index: word {number} of the answer has no token of its own")
    encoded = image if isinstance(image, EncodedImage) else captioner.encode(image)
    mask = None
    if region is not None:
        made = parse_region(region, encoded.size)
        if isinstance(made, RegionPrompt):
            raise InputError("region: must be a mask here; let the segmenter make one of it first")
        mask = made.mask
    ids = captioner.processor.prompt_ids(instruction, answer)
    tokens = [words[number] for number in word_indices]
    relevances = _relevances(captioner, encoded, mask, ids, tokens)
    return [_on_image(relevance, encoded.size) for relevance in relevances]


def _relevances(
    captioner: FineCaption,
    encoded: EncodedImage,
    mask: np.ndarray | None,
    ids: Sequence[int],
    words: Sequence[Sequence[int]],
) -> list[torch.Tensor]:
    """float32 (g, g) a word."""
    model = captioner.model
    device = model.device
    soft = captioner.processor.image_processor.region_inputs(mask, encoded.size)
    with torch.inference_mode(False), torch.enable_grad(), _plain_attention(model):
        # tensors of inference mode cannot take part in a gradient: copies can
        high = encoded.hr_features.clone()
        with torch.no_grad():
            features = model.encode_regions(
                encoded.pixel_values_clip.clone().to(device),
                torch.from_numpy(soft).to(device),
                high,
                torch.zeros(1, dtype=torch.long, device=device),
            )
        features = features.detach().requires_grad_()
        row = torch.tensor([list(ids)], device=device)
        output = model.model(
            input_ids=row, region_features=features, use_cache=False, output_attentions=True
        )
        attentions = output.attentions  # a layer: (1, heads, L, L)
        image = (row[0] == model.config.image_token_id).nonzero()[:, 0]
        found = []
        for positions in words:
            at = torch.tensor(positions, device=device)
            logits = model.lm_head(output.last_hidden_state[0, at - 1])
            spoken = logits.float().log_softmax(-1).gather(1, row[0, at][:, None]).sum()
            gradients = torch.autograd.grad(spoken, attentions, retain_graph=True)
            found.append(_accumulated(attentions, gradients, at - 1, image))
    grid = round(len(image) ** 0.5)
    return [relevance.reshape(grid, grid).cpu() for relevance in found]


def _accumulated(
    attentions: Sequence[torch.Tensor],
    gradients: Sequence[torch.Tensor],
    queries: torch.Tensor,
    image: torch.Tensor,
) -> torch.Tensor:
    """float32 (T,): from the image tokens to the queries, through all layers."""
    length = attentions[0].shape[-1]
    # rows of R, from the last layer back: r <- r + r A is the same as R <- R + A R from the first
    rows = torch.zeros(len(queries), length, device=attentions[0].device)
    rows[torch.arange(len(queries)), queries] = 1
    for attention, gradient in zip(reversed(attentions), reversed(gradients), strict=True):
        weighted = (attention.detach().float() * gradient.float()).clamp(min=0)[0].mean(0)
        rows = rows + rows @ weighted
    return rows[:, image].sum(0)


def _on_image(relevance: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """(g, g) over the square -> float32 (H, W) over the image, the greatest 1."""
    grid = relevance.shape[-1]
    place = place_in_square(size, 1024)
    fine = F.interpolate(
        relevance[None, None], size=(place.side, place.side), mode="bicubic", align_corners=False
    ).clamp(min=0)
    left, top, right, bottom = place.box
    cut = F.interpolate(
        fine[..., top:bottom, left:right], size=size[::-1], mode="bilinear", align_corners=False
    )[0, 0]
    greatest = float(cut.max())
    if greatest <= 0 or grid == 0:
        return np.zeros(size[::-1], np.float32)
    return (cut / greatest).clamp(0, 1).numpy().astype(np.float32)


@contextmanager
def _plain_attention(model: Any) -> Iterator[None]:
    """Attention that shows its weights, for the time of the block."""
    language = model.language_model
    before = language.config._attn_implementation
    language.set_attn_implementation("eager")
    try:
        yield
    finally:
        language.set_attn_implementation(before)


def lift(evidence: np.ndarray, mask: np.ndarray) -> float:
    """How many times more of the evidence lies on the mask than if it were spread evenly.

    Args:
        evidence: float (H, W), 0 or more.
        mask: bool (H, W), neither empty nor full.

    Returns:
        (share of the evidence inside) / (share of the image inside); 1 is chance, 0 for evidence
        that is 0 everywhere.
    """
    total = float(evidence.sum())
    if total <= 0:
        return 0.0
    return float(evidence[mask].sum()) / total / float(mask.mean())


__all__ = ["answer_words", "evidence_map", "evidence_maps", "lift"]
