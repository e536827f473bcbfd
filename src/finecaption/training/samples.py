"""Region samples of any dataset as batches in which questions share what they have in common.

The usual way is one question a sample: the image through every tower and the region's tokens
through the language model, for each question anew. Here a batch is a *pack* of images: the large
towers see an image once, CLIP and the adapter a region once, and the questions on a region share
one sequence (finecaption.training.packing). Loss and gradients are those of separate samples.

The order is a function of the seed alone, not of how many processes there are, so a run resumes
exactly and several processes see together what one would see.

Legend: R regions of a pack, L tokens of its longest row.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from finecaption.errors import InputError
from finecaption.model.processing import FineCaptionProcessor
from finecaption.training.objectives.captions import Image
from finecaption.training.packing import common_prefix, pack
from finecaption.types import RegionSample

_CHUNK = 50  # packs among which rows are sorted by length, as in transformers' LengthGroupedSampler


class Tokens:
    """Prompts and answers as token ids; prompts, which are few, are remembered."""

    def __init__(self, processor: FineCaptionProcessor) -> None:
        self.processor = processor
        self._prompts: dict[str, list[int]] = {}

    def prompt(self, instruction: str) -> list[int]:
        """Ids of a whole prompt, image placeholders included."""
        found = self._prompts.get(instruction)
        if found is None:
            if len(self._prompts) > 4096:  # data with a question of its own in every sample
                self._prompts.clear()
            found = self._prompts[instruction] = list(self.processor.prompt_ids(instruction))
        return found

    def answer(self, text: str) -> list[int]:
        """Ids of an answer and the end token."""
        tokenizer = self.processor.tokenizer
        return [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


@dataclass(frozen=True)
class PackedRow:
    """Some questions on one region: indices of samples, and tokens when packed."""

    questions: tuple[int, ...]
    length: int


@dataclass(frozen=True)
class Unit:
    """An image, or a part of its regions: what a pack takes or leaves."""

    rows: tuple[PackedRow, ...]

    @property
    def longest(self) -> int:
        return max(row.length for row in self.rows)

    @property
    def questions(self) -> int:
        return sum(len(row.questions) for row in self.rows)


Pack = tuple[Unit, ...]


def picture_key(sample: RegionSample) -> str:
    """Samples of one image have the same."""
    if isinstance(sample.image, np.ndarray):
        return f"array/{sample.image_id or id(sample.image)}"
    return str(sample.image)


def region_key(sample: RegionSample) -> str:
    """Samples on one region of an image have the same."""
    if sample.mask is None:
        return "whole"
    if isinstance(sample.mask, np.ndarray):
        return f"array/{hash(sample.mask.tobytes())}"
    return f"rle/{sample.mask['counts']!s}"


def make_units(
    samples: Sequence[RegionSample],
    processor: FineCaptionProcessor,
    tokens: int,
    shared: bool = True,
) -> list[Unit]:
    """Samples grouped by image and region, and cut where they exceed the budget.

    Args:
        samples: in any order.
        tokens: the most of a pack, padding included.
        shared: False makes each question a unit of its own.

    Raises:
        InputError: no samples; or one that is longer than the budget, by its ids.
    """
    if not samples:
        raise InputError("the data has no samples; check the paths and splits given by --data")
    ids = Tokens(processor)
    if not shared:
        alone = (_rows([i], samples, ids, tokens) for i in range(len(samples)))
        return [Unit((row,)) for rows in alone for row in rows]
    pictures: dict[str, dict[str, list[int]]] = {}
    for index, sample in enumerate(samples):
        regions = pictures.setdefault(picture_key(sample), {})
        regions.setdefault(region_key(sample), []).append(index)
    units = []
    for regions in pictures.values():
        rows = [row for found in regions.values() for row in _rows(found, samples, ids, tokens)]
        piece: list[PackedRow] = []
        for row in sorted(rows, key=lambda r: r.length):
            if piece and (len(piece) + 1) * row.length > tokens:
                units.append(Unit(tuple(piece)))
                piece = []
            piece.append(row)
        units.append(Unit(tuple(piece)))
    return units


def _rows(
    indices: Sequence[int], samples: Sequence[RegionSample], ids: Tokens, tokens: int
) -> list[PackedRow]:
    """The questions on one region, in as few rows as the budget allows."""
    prompts = [ids.prompt(samples[i].instruction()) for i in indices]
    answers = [len(ids.answer(samples[i].text)) for i in indices]
    prefix = common_prefix(prompts)
    out: list[PackedRow] = []
    taken: list[int] = []
    length = prefix
    for index, prompt, answer in zip(indices, prompts, answers, strict=True):
        own = len(prompt) - prefix + answer
        if prefix + own > tokens:
            sample = samples[index]
            raise InputError(
                f"a question on image {sample.image_id or sample.image}, region "
                f"{sample.region_id}, takes {prefix + own} tokens, the budget is {tokens}: "
                "raise max_tokens, or leave the sample out"
            )
        if taken and length + own > tokens:
            out.append(PackedRow(tuple(taken), length))
            taken, length = [], prefix
        taken.append(index)
        length += own
    out.append(PackedRow(tuple(taken), length))
    return out


def mix_whole(units: Sequence[Unit], samples: Sequence[RegionSample], share: float) -> list[Unit]:
    """Units with whole-image questions repeated or thinned to a fraction of all questions.

    Raises:
        InputError: the data lacks one of the two kinds.
    """
    if not share:
        return list(units)
    # A unit may hold both kinds: part them.
    whole, regions = [], []
    for unit in units:
        on_whole = tuple(r for r in unit.rows if samples[r.questions[0]].mask is None)
        on_parts = tuple(r for r in unit.rows if samples[r.questions[0]].mask is not None)
        whole += [Unit(on_whole)] * bool(on_whole)
        regions += [Unit(on_parts)] * bool(on_parts)
    if not whole or not regions:
        lacking = "whole images (task cgic)" if not whole else "regions"
        raise InputError(
            f"whole_image_fraction={share}: the data has no samples on {lacking}; "
            "add a dataset that has some, or set whole_image_fraction=0"
        )
    asked = sum(u.questions for u in regions) * share / (1 - share)
    wanted = max(1, round(asked / (sum(u.questions for u in whole) / len(whole))))
    return regions + [whole[i % len(whole)] for i in range(wanted)]


def make_packs(
    units: Sequence[Unit],
    rng: np.random.Generator,
    tokens: int,
    pictures: int,
    questions: int,
    by_length: bool = True,
) -> list[Pack]:
    """One pass over the units in random order, in packs within the budget.

    Args:
        tokens, pictures, questions: the most of a pack; one unit alone may exceed the questions.
        by_length: sort within stretches of some fifty packs, so that little is padding.
    """
    order = [units[i] for i in rng.permutation(len(units))]
    if by_length:
        stretch = _CHUNK * pictures
        order = [
            unit
            for start in range(0, len(order), stretch)
            for unit in sorted(order[start : start + stretch], key=lambda u: -u.longest)
        ]
    packs: list[Pack] = []
    held: list[Unit] = []
    rows = longest = asked = 0
    for unit in order:
        more = rows + len(unit.rows), max(longest, unit.longest), asked + unit.questions
        full = more[0] * more[1] > tokens or more[2] > questions or len(held) == pictures
        if held and full:
            packs.append(tuple(held))
            held, more = [], (len(unit.rows), unit.longest, unit.questions)
        held.append(unit)
        rows, longest, asked = more
    packs.append(tuple(held))
    return [packs[i] for i in rng.permutation(len(packs))]


@dataclass(frozen=True)
class Encoder:
    """Packs -> their images, for `finecaption.training.objectives.captions`.

    Attributes:
        features: image -> its large towers' features (C_hr, g, g), read instead of its pixels;
            None decodes the image.
    """

    samples: Sequence[RegionSample]
    processor: FineCaptionProcessor
    features: Callable[[RegionSample], torch.Tensor] | None = None

    def __call__(self, taken: Pack) -> list[Image]:
        """The images of a pack with their questions.

        Raises:
            InputError: an image or mask that cannot be read, by the sample's ids.
        """
        ids = Tokens(self.processor)
        return [self._image(unit, ids) for unit in taken]

    def _image(self, unit: Unit, ids: Tokens) -> Image:
        images = self.processor.image_processor
        first = self.samples[unit.rows[0].questions[0]]
        out: Image = {"masks": [], "rows": []}
        try:
            inputs = images.image_inputs(first.image)
            for row in unit.rows:
                asked = [self.samples[i] for i in row.questions]
                mask = None if asked[0].mask is None else asked[0].region().mask
                out["masks"].append(torch.from_numpy(images.region_inputs(mask, first.size)[0]))
                out["rows"].append(
                    pack(
                        [ids.prompt(s.instruction()) for s in asked],
                        [ids.answer(s.text) for s in asked],
                    )
                )
        except InputError as error:
            raise InputError(f"image {first.image_id or first.image}: {error}") from error
        out["pixel_values_clip"] = torch.from_numpy(inputs["pixel_values_clip"][0])
        if self.features is None:
            out["pixel_values"] = torch.from_numpy(inputs["pixel_values"][0])
        else:
            out["hr_features"] = self.features(first)
        return out


class Packs(Dataset):
    """A run's packs in order, epoch after epoch; an item is a pack, the whole of a forward pass.

    Attributes:
        micro: packs an optimizer step, all processes together.
        steps: optimizer steps of the run.
        questions: mean questions per step.
    """

    def __init__(
        self, units: Sequence[Unit], encode: Callable[[Pack], list[Image]], *,
        seed: int, tokens: int, pictures: int, batch: int, by_length: bool = True,
        epochs: float = 1.0, steps: int = 0, accumulate: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        """
        Args:
            units: see `make_units`.
            encode: see `Encoder`.
            batch: questions an optimizer step.
            steps: 0 works them out from ``epochs``.
            accumulate: packs a process and step; 0 works it out from ``batch``.
            world: processes that share each step.
        """
        self.units, self.encode = units, encode
        self.seed, self.tokens, self.pictures = seed, tokens, pictures
        self.batch, self.by_length = batch, by_length
        self._epochs: dict[int, list[Pack]] = {}
        self._counts: list[int] = []
        packs = len(self.epoch(0))
        mean = sum(u.questions for u in units) / packs
        per_process = accumulate or max(1, round(batch / mean / world))
        self.micro = per_process * world
        self.accumulate = per_process
        self.steps = steps or max(1, math.ceil(epochs * packs / self.micro))
        self.questions = mean * self.micro

    def epoch(self, number: int) -> list[Pack]:
        """The packs of one pass over the data."""
        if number not in self._epochs:
            rng = np.random.default_rng((self.seed, number))
            self._epochs = {
                number: make_packs(
                    self.units, rng, self.tokens, self.pictures, self.batch, self.by_length
                )
            }
        return self._epochs[number]

    def pack(self, item: int) -> Pack:
        """The item-th pack of the run."""
        number = 0
        while True:
            if number == len(self._counts):
                self._counts.append(len(self.epoch(number)))
            if item < self._counts[number]:
                return self.epoch(number)[item]
            item -= self._counts[number]
            number += 1

    def __len__(self) -> int:
        return self.steps * self.micro

    def __getitem__(self, item: int) -> list[Image]:
        if not 0 <= item < len(self):
            raise IndexError(item)
        return self.encode(self.pack(item))


def digest(samples: Sequence[RegionSample]) -> str:
    """A hash of what samples hold: questions, answers, masks, and images by size of their files."""
    told, sizes = hashlib.sha256(), dict[str, int]()
    for sample in samples:
        key = picture_key(sample)
        if isinstance(sample.image, np.ndarray):
            image: Any = hashlib.sha256(sample.image.tobytes()).hexdigest()
        else:
            if key not in sizes:
                sizes[key] = os.stat(key).st_size if os.path.exists(key) else -1
            image = (os.path.basename(key), sizes[key])
        mask: Any = sample.mask
        if isinstance(mask, np.ndarray):
            mask = hashlib.sha256(mask.tobytes()).hexdigest()
        told.update(repr((image, sample.instruction(), sample.text, mask)).encode())
    return told.hexdigest()


def read_data(specs: Iterable[str], limit: int = 0) -> list[RegionSample]:
    """The samples of several datasets.

    Args:
        specs: ``FORMAT:PATH``, or the path of a ``.jsonl`` file, a folder with some, or a store;
            after it may come the reader's options as ``,images=FOLDER,split=train``.
        limit: of each dataset; 0 all.

    Raises:
        InputError: unknown format or option, no such path, a broken record, or nothing at all.
    """
    from finecaption.data.sources import SOURCE_NAMES, open_source

    out: list[RegionSample] = []
    for spec in specs:
        place, *options = spec.split(",")
        name, colon, path = place.partition(":")
        given = dict(_option(o, spec) for o in options)
        if colon and name in SOURCE_NAMES:
            source: Iterable[RegionSample] = open_source(name, path, **given)
        else:
            source = _store(place, given) or open_source("jsonl", place, **given)
        before = len(out)
        for sample in source:
            if limit and len(out) - before >= limit:
                break
            out.append(sample)
        if len(out) == before:
            raise InputError(f"--data {spec}: has no samples; check the path and the split")
    if not out:
        raise InputError("--data: none given; give FORMAT:PATH, such as jsonl:my/regions.jsonl")
    return out


def _option(text: str, spec: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--data {spec}: {text!r} is not option=value")
    return key, {"true": True, "false": False}.get(value, value)


def _store(place: str, options: dict[str, Any]) -> Iterable[RegionSample] | None:
    from finecaption.data import store

    return store.open_store(place, **options).samples() if store.is_store(place) else None
