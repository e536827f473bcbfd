"""Greedy answers to many questions on many regions at once.

A picture's high-resolution features are computed once; the regions go through the mask-aware CLIP
as a batch; what all questions on a region have in common (image tokens and the prompt's beginning)
is prefilled once and its keys and values are copied to the questions; then all (region, question)
rows are decoded together, and rows that have ended leave the batch. In fp32 the answers are those
of `model.generate(..., do_sample=False)` for each row alone, token for token.

Legend: B pictures, R regions, T image tokens a region, D the language model's width, N rows (a row
is one question on one region), P tokens of the shared prefix, L the longest rest of a prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor

from .decoding import Decoding

_CACHE_BYTES = 1 << 30  # of keys and values at a time; decides how many rows are decoded together
_MOST_ROWS = 512  # more gains nothing
_PICTURES_AT_ONCE = 8  # through the high-resolution towers
_ROOM = 32  # tokens by which the cache grows
_RETIRE_SHARE = 0.25  # rows that must have ended before the batch is rebuilt without them


class Token(NamedTuple):
    """One step of one row."""

    row: int
    id: int
    """-1: the row has ended."""
    logprob: float | None = None
    """Natural logarithm of its probability by the softmax of the undisturbed logits; None: the row
    was ended by the cap, not by a token."""


class _RoomyLayer(DynamicLayer):
    """A cache layer with room to spare: a step writes its token instead of copying all others."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Takes (N, heads, length, width) each."""
        super().__init__()
        self.lazy_initialization(keys, values)
        self._length = keys.shape[-2]
        self._fill(keys, values, _ROOM)

    def _fill(self, keys: torch.Tensor, values: torch.Tensor, room: int) -> None:
        length = keys.shape[-2]
        shape = (*keys.shape[:-2], length + room, keys.shape[-1])
        self._all_keys, self._all_values = keys.new_empty(shape), values.new_empty(shape)
        self._all_keys[:, :, :length] = keys
        self._all_values[:, :, :length] = values
        self._show()

    def _show(self) -> None:
        self.keys = self._all_keys[:, :, : self._length]
        self.values = self._all_values[:, :, : self._length]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        end = self._length + key_states.shape[-2]
        if end > self._all_keys.shape[-2]:
            self._fill(self.keys, self.values, end - self._length + _ROOM)
        self._all_keys[:, :, self._length : end] = key_states
        self._all_values[:, :, self._length : end] = value_states
        self._length = end
        self._show()
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        keys, values = self.keys[indices], self.values[indices]
        self._fill(keys, values, _ROOM)


def encode_pictures(
    model: FineCaptionForConditionalGeneration, pixel_values: torch.Tensor
) -> torch.Tensor:
    """`model.encode_image` in batches, without gradients.

    Args:
        pixel_values: uint8 or floating in [0, 1], (B, 3, S, S), on any device.

    Returns:
        (B, C_hr, g, g) on the model's device.
    """
    with torch.inference_mode():
        parts = pixel_values.split(_PICTURES_AT_ONCE)
        return torch.cat([model.encode_image(part.to(model.device)) for part in parts])


@torch.inference_mode()
def decode(
    model: FineCaptionForConditionalGeneration,
    region_features: torch.Tensor,
    prefix: Sequence[int],
    rests: Sequence[Sequence[int]],
    row_region: Sequence[int],
    max_new_tokens: int,
) -> Iterator[list[Token]]:
    """Greedy decoding of N rows, one list of tokens a step; rows that have ended are not in it.

    Args:
        region_features: (R, T, D) from `encode_regions`.
        prefix: P token ids, T placeholders among them, shared by all rows.
        rests: N lists of one or more token ids: what each row's prompt has after the prefix.
        row_region: the region of each row, 0 to R - 1.
        max_new_tokens: rows that reach it end there.
    """
    device = region_features.device
    regions = region_features.shape[0]
    ends = _end_ids(model)

    ids = torch.tensor([list(prefix)], device=device).expand(regions, -1)
    seen = DynamicCache()
    # Through the trunk: nobody needs the prefix's logits.
    model.model(
        input_ids=ids, region_features=region_features, past_key_values=seen, use_cache=True
    )
    of_row = torch.tensor(list(row_region), device=device)
    cache = Cache(layers=[_RoomyLayer(x.keys[of_row], x.values[of_row]) for x in seen.layers])
    del seen

    longest = max(len(rest) for rest in rests)
    gaps = [longest - len(rest) for rest in rests]
    pad = model.config.text_config.pad_token_id or 0
    step_ids = torch.tensor(
        [[pad] * gap + list(rest) for gap, rest in zip(gaps, rests, strict=True)], device=device
    )  # (N, L), padding between prefix and rest
    gap = torch.tensor(gaps, device=device)[:, None]  # (N, 1)
    padded = any(gaps)
    column = torch.arange(len(prefix) + longest, device=device)[None]
    attends = ((column < len(prefix)) | (column >= len(prefix) + gap)).long()  # (N, P + L)
    positions = (column[:, len(prefix) :] - gap).clamp(min=0)  # (N, L)

    alive = list(range(len(rests)))  # the row at each place of the batch, -1 once it has ended
    for step in range(max_new_tokens):
        hidden = model.model(
            input_ids=step_ids,
            attention_mask=attends if padded else None,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[:, -1]
        logits = model.lm_head(hidden).float()
        chosen = logits.argmax(-1)  # (N,)
        likely = (logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(-1)).tolist()
        tokens: list[Token] = []
        last = step + 1 == max_new_tokens
        for place, token in enumerate(chosen.tolist()):
            row = alive[place]
            if row < 0:
                continue
            if token not in ends:
                tokens.append(Token(row, token, likely[place]))
            if token in ends or last:
                alive[place] = -1
                tokens.append(Token(row, -1, likely[place] if token in ends else None))
        yield tokens
        left = [place for place, row in enumerate(alive) if row >= 0]
        if not left:
            return
        positions = positions[:, -1:] + 1
        if len(left) <= (1 - _RETIRE_SHARE) * len(alive):
            kept = torch.tensor(left, device=device)
            for layer in cache.layers:
                layer.batch_select_indices(kept)
            chosen, positions, attends = chosen[kept], positions[kept], attends[kept]
            alive = [alive[place] for place in left]
        step_ids = chosen[:, None]
        attends = torch.nn.functional.pad(attends, (0, 1), value=1)


def _end_ids(model: FineCaptionForConditionalGeneration) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = model.config.text_config.eos_token_id
    return frozenset([ends] if isinstance(ends, int) else ends or ())


class Piece(NamedTuple):
    """News of one answer."""

    region: int
    question: int
    text: str
    """The answer so far."""
    done: bool
    logprob: float | None = None
    """Once done: the mean over the answer's tokens, the end included, of the natural logarithm of
    the token's probability (softmax of the undisturbed logits, temperature 1)."""
    tokens: int = 0
    """Once done: how many that were."""


class Answer(NamedTuple):
    """A finished answer; see `Piece`."""

    text: str
    logprob: float
    tokens: int


def answer_stream(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    inputs: Mapping[str, torch.Tensor],
    questions: Sequence[Sequence[str]],
    *,
    hr_features: torch.Tensor | None = None,
    decoding: Decoding | None = None,
    max_new_tokens: int | None = None,
    max_rows: int | None = None,
    partial: bool = True,
) -> Iterator[Piece]:
    """Answers as they grow; regions in the order of their pictures.

    Args:
        inputs: from the image processor: `pixel_values` (not needed with `hr_features`),
            `pixel_values_clip`, `region_masks`, and `image_index` where regions and pictures do not
            pair up. On any device.
        questions: for each of the R regions, the users' texts (`finecaption.attributes`).
        hr_features: (B, C_hr, g, g) from `encode_pictures`, to spare the towers.
        decoding: how answers are written; greedily if None.
        max_new_tokens: in place of `decoding.max_new_tokens`. The cap is lowered to what the
            language model's context leaves.
        max_rows: rows decoded together; None takes what fits in about 1 GiB of cache.
        partial: whether to tell of every token, or only of finished answers.
    """
    clip, masks = inputs["pixel_values_clip"], inputs["region_masks"]
    if len(questions) != len(masks):
        raise ValueError(f"{len(questions)} lists of questions for {len(masks)} regions.")
    index = _picture_of_region(inputs.get("image_index"), len(masks), len(clip))
    asked = list(dict.fromkeys(text for texts in questions for text in texts))
    if not asked:
        return
    prefix, rests = processor.shared_prefix(asked)
    rest_of = dict(zip(asked, rests, strict=True))
    length = len(prefix) + max(map(len, rests))
    room = int(model.config.text_config.max_position_embeddings) - length
    new_tokens = max(1, min(max_new_tokens or (decoding or Decoding()).tokens, room))
    limit = max_rows or _rows_that_fit(model, length + new_tokens)

    device = model.device
    features: dict[int, torch.Tensor] = {}  # of the pictures that are being asked about
    for chunk in _chunks(index, questions, limit):
        pictures = sorted({index[region] for region in chunk})
        if hr_features is None:
            new = [picture for picture in pictures if picture not in features]
            features = {at: features[at] for at in pictures if at in features}
            if new:
                encoded = encode_pictures(model, inputs["pixel_values"][new])
                features.update(zip(new, encoded, strict=True))
            high = torch.stack([features[at] for at in pictures])
        else:
            high = hr_features[pictures].to(device)
        local = torch.tensor([pictures.index(index[region]) for region in chunk], device=device)
        with torch.inference_mode():
            tokens = model.encode_regions(
                clip[pictures].to(device), masks[chunk].to(device), high, local
            )
        rows = [
            (place, region, number)
            for place, region in enumerate(chunk)
            for number in range(len(questions[region]))
        ]
        said: list[list[int]] = [[] for _ in rows]
        sums = [0.0] * len(rows)
        counts = [0] * len(rows)
        steps = decode(
            model,
            tokens,
            prefix,
            [rest_of[questions[region][number]] for _, region, number in rows],
            [place for place, _, _ in rows],
            new_tokens,
        )
        for step in steps:
            for row, token, logprob in step:
                done = token < 0
                if logprob is not None:
                    sums[row] += logprob
                    counts[row] += 1
                if not done:
                    said[row].append(token)
                _, region, number = rows[row]
                if done:
                    mean = sums[row] / max(1, counts[row])
                    text = processor.answer(said[row])
                    yield Piece(region, number, text, True, mean, counts[row])
                elif partial:
                    yield Piece(region, number, processor.answer(said[row]), False)


def answers(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    inputs: Mapping[str, torch.Tensor],
    questions: Sequence[Sequence[str]],
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> list[list[Answer]]:
    """All answers, `found[region][question]`. Arguments as for `answer_stream`.

    Args:
        progress: called with the number of answers finished so far.
    """
    found = [[Answer("", 0.0, 0)] * len(texts) for texts in questions]
    pieces = answer_stream(model, processor, inputs, questions, partial=False, **options)
    for finished, piece in enumerate(pieces, 1):
        logprob = 0.0 if piece.logprob is None else piece.logprob
        found[piece.region][piece.question] = Answer(piece.text, logprob, piece.tokens)
        if progress is not None:
            progress(finished)
    return found


def answer(*args: Any, **options: Any) -> list[list[str]]:
    """`answers`, the texts alone."""
    return [[one.text for one in row] for row in answers(*args, **options)]


def describe(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    images: Any,
    masks: Any,
    questions: Sequence[str] | Sequence[Sequence[str]],
    *,
    image_index: Sequence[int] | None = None,
    **options: Any,
) -> list[list[str]]:
    """Answers to questions on regions of one or many pictures, `answers[region][question]`.

    Args:
        images: one picture or a list of B, anything that `finecaption.images.load_image` opens.
        masks: R masks (None: the whole picture), as for `FineCaptionProcessor`.
        questions: the users' texts (`finecaption.attributes`): one list for every region, or R
            lists.
        image_index: the picture of each region, if regions and pictures do not pair up.
        options: as for `answer`.

    Raises:
        InputError: unusable pictures or masks.
    """
    inputs = processor.image_processor(images, masks, image_index, return_tensors="pt")
    regions = len(inputs["region_masks"])
    lists: list[list[str]]
    if all(isinstance(question, str) for question in questions):
        lists = [[str(question) for question in questions]] * regions
    else:
        lists = [list(texts) for texts in questions]
    return answer(model, processor, inputs, lists, **options)


def _picture_of_region(image_index: torch.Tensor | None, regions: int, pictures: int) -> list[int]:
    if image_index is not None:
        return [int(at) for at in image_index]
    return list(range(regions)) if regions == pictures else [0] * regions


def _rows_that_fit(model: FineCaptionForConditionalGeneration, length: int) -> int:
    text = model.config.text_config
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    size = torch.finfo(model.dtype).bits // 8
    row = 2 * text.num_hidden_layers * heads * width * size * length
    return max(1, min(_MOST_ROWS, _CACHE_BYTES // row))


def _chunks(
    index: Sequence[int], questions: Sequence[Sequence[str]], limit: int
) -> Iterator[list[int]]:
    """Regions, picture by picture, in lists with at most `limit` questions (or of one region)."""
    chunk: list[int] = []
    rows = 0
    for region in sorted(range(len(index)), key=lambda region: index[region]):
        count = len(questions[region])
        if not count:
            continue
        if chunk and rows + count > limit:
            yield chunk
            chunk, rows = [], 0
        chunk.append(region)
        rows += count
    if chunk:
        yield chunk


__all__ = [
    "Answer",
    "Piece",
    "answer",
    "answer_stream",
    "answers",
    "describe",
    "encode_pictures",
]
