"""Describe regions of pictures: the main way in.

    captioner = FineCaption.from_pretrained("finecaption-mini")
    result = captioner.caption("scene.png", box=(40, 60, 200, 300), attributes=["Color"])
    result.regions[0].captions["Color"]

Coordinates are pixels of the upright picture, boxes x0, y0, x1, y1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from finecaption.asking import (
    DEFAULT_ATTRIBUTES,
    DENSE,
    WHOLE,
    Ask,
    EncodedPicture,
    Plan,
    Wish,
    as_region,
    attribute_names,
    together,
    wish_of,
)
from finecaption.attributes import (
    dense_instruction,
    global_instruction,
    region_instruction,
)
from finecaption.calibration import Calibration
from finecaption.choices import choose
from finecaption.domain import DomainModel, pool_features
from finecaption.errors import InputError
from finecaption.generation import (
    Answer,
    Decoding,
    answer_stream,
    answers,
    encode_pictures,
)
from finecaption.io.images import ImageSource, load_image
from finecaption.loading import load_model, resolve_model
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.results import CaptionResult, Update
from finecaption.types import Caption, Region, RegionPrompt

DEFAULT_MODEL = "finecaption-mini"


class FineCaption:
    """A model with all that it takes to describe regions: processor, segmenter, domain."""

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        processor: FineCaptionProcessor,
        *,
        domain: DomainModel | None = None,
        calibration: Calibration | None = None,
        folder: str | os.PathLike[str] | None = None,
        name: str = "",
    ) -> None:
        """
        Args:
            model, processor: see `finecaption.model`.
            domain: statistics of the pictures that the model knows; without, no notice is given.
            calibration: of the model's log-probabilities; without, no confidence is given.
            folder: where the click segmenter is looked for when a box or points are given.
            name: the model's, for results.
        """
        self.model = model.eval()
        self.processor = processor
        self.domain = domain
        self.calibration = calibration
        self.folder = None if folder is None else Path(folder)
        self.name = name
        self._segmenter: Any = None

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str] = DEFAULT_MODEL,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        *,
        quantize: str | None = None,
        device_map: str | dict[str, Any] | None = None,
    ) -> FineCaption:
        """Load a model.

        Args:
            name_or_folder: the shipped "finecaption-mini", or a folder that `save_pretrained` of
                model and processor wrote.
            device: cuda if there is one, else cpu, if None.
            dtype: if None, float32; bfloat16 for checkpoints over 2 GiB on a GPU, or on a CPU that
                has instructions for it.
            quantize: "int8" or "nf4": the linear layers of the language model with so few bits
                (bitsandbytes). No confidence is given then: it was calibrated on the weights as
                they are saved.
            device_map: where which part goes (accelerate): "auto", or module names to devices;
                in place of `device`.

        Raises:
            InputError: no such model, or one that cannot be read; an unusable device; an unknown
                quantisation, a package that it needs is missing, or layers of sizes that it cannot
                hold (`model.quantisation.check_sizes`).
        """
        folder = resolve_model(name_or_folder)
        model, processor = load_model(folder, device, dtype, quantize, device_map)
        return cls(
            model,
            processor,
            domain=DomainModel.load(folder),
            calibration=None if quantize else Calibration.load(folder),
            folder=folder,
            name=folder.name,
        )

    def encode(self, image: ImageSource) -> EncodedPicture:
        """Run the mask-independent towers, for several calls of `caption` on one picture.

        Raises:
            InputError: the picture cannot be read.
        """
        (encoded,) = self._encode([image])
        if isinstance(encoded, InputError):
            raise encoded
        return encoded

    def _encode(self, images: Sequence[ImageSource]) -> list[EncodedPicture | InputError]:
        """The towers over many pictures in one batch."""
        opened: list[Image.Image | InputError] = []
        pixels = []
        for image in images:
            try:
                picture = load_image(image)
            except InputError as error:
                opened.append(error)
                continue
            opened.append(picture)
            pixels.append(self.processor.image_processor.image_inputs(picture))
        if not pixels:
            return [one for one in opened if isinstance(one, InputError)]
        high = np.concatenate([one["pixel_values"] for one in pixels])
        features = encode_pictures(self.model, torch.from_numpy(high))
        encoded: list[EncodedPicture | InputError] = []
        places = iter(range(len(pixels)))
        for image, one in zip(images, opened, strict=True):
            if isinstance(one, InputError):
                encoded.append(one)
                continue
            at = next(places)
            notice = None
            if self.domain is not None:
                maps = features[at].float().cpu().numpy()
                notice = self.domain.judge(pool_features(maps, one.size))
            name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else None
            clip = torch.from_numpy(pixels[at]["pixel_values_clip"])
            encoded.append(EncodedPicture(one, clip, features[at : at + 1], notice, name))
        return encoded

    def caption(
        self,
        image: ImageSource | EncodedPicture,
        *,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] | None = None,
        regions: Iterable[Any] = (),
        attributes: Sequence[str] | str | None = None,
        dense: bool = False,
        whole: bool = False,
        max_new_tokens: int | None = None,
        decoding: Decoding | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> CaptionResult:
        """Describe regions of a picture, the picture as a whole, or both.

        Regions are numbered: `mask`, then `box` with `points`, then `regions`. Of a region of which
        nothing is asked, a sentence and a paragraph are given; without any region, a paragraph on
        the whole picture.

        Args:
            image: anything `finecaption.io.images.load_image` opens, or what `encode` returned.
            mask: one region: an array (H, W), a mask file or a PIL image (see
                `finecaption.io.masks`).
            box: one region: x0, y0, x1, y1 in pixels around it; the click segmenter finds the mask.
            points: one region: clicks (x, y) or (x, y, positive) in pixels; with `box`, they are of
                the same region.
            regions: more of them, each a `Region`, a `RegionPrompt`, a mask, four numbers (a box),
                COCO RLE, or a mapping with the keys mask, or box and points.
            attributes: names (see `finecaption.attributes`), or "all".
            dense: whether to write a paragraph on each region.
            whole: whether to write a paragraph on the whole picture.
            max_new_tokens: cap on each answer, in place of `decoding`'s.
            decoding: how answers are written (`finecaption.generation.Decoding`); greedily if None.
            progress: called with the number of finished answers, and of all.

        Raises:
            InputError: unusable picture, region or attribute; attributes without a region.
        """
        wish = wish_of(mask, box, points, regions, attributes, dense, whole)
        plan = self._plan(self._encoded(image), wish)
        found = self._answers([plan], decoding, max_new_tokens, progress)
        return self._result(plan, found, decoding)

    def caption_many(
        self,
        asks: Sequence[Ask],
        *,
        decoding: Decoding | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[CaptionResult | InputError]:
        """`caption` for many pictures in one batch: the same answers, in less time.

        All pictures are held at once; give a long job in parts (`finecaption.bulk` does).

        Args:
            asks: a picture, and what is asked of it, each.
            decoding: as for `caption`.
            progress: called with the number of finished answers, and of all.

        Returns:
            One entry an ask, in order: its result, or the error that its picture or one of its
            regions makes `caption` raise.
        """
        found: list[CaptionResult | InputError | None] = [None] * len(asks)
        wishes: dict[int, Wish] = {}
        for at, ask in enumerate(asks):
            try:
                wishes[at] = wish_of(
                    None, None, None, ask.regions, ask.attributes, ask.dense, ask.whole
                )
            except InputError as error:
                found[at] = error
        pictures: dict[int, EncodedPicture | InputError] = {}
        fresh: list[int] = []
        for at in wishes:
            image = asks[at].image
            if isinstance(image, EncodedPicture):
                pictures[at] = image
            else:
                fresh.append(at)
        images = [asks[at].image for at in fresh]
        pictures.update(zip(fresh, self._encode(images), strict=True))  # type: ignore[arg-type]  # the encoded are not among them
        plans: dict[int, Plan] = {}
        for at, wish in wishes.items():
            picture = pictures[at]
            if isinstance(picture, InputError):
                found[at] = picture
                continue
            try:
                plans[at] = self._plan(picture, wish)
            except InputError as error:
                found[at] = error
        told = iter(self._answers(list(plans.values()), decoding, None, progress))
        for at, plan in plans.items():
            found[at] = self._result(plan, [next(told) for _ in plan.questions], decoding)
        return [entry for entry in found if entry is not None]

    def choose(
        self,
        image: ImageSource | EncodedPicture,
        region: Any,
        attribute: str,
        choices: Sequence[str],
        *,
        template: str | Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Which of given values fits an attribute of a region best? See `finecaption.choices`.

        Args:
            image: as for `caption`.
            region: one of the forms that `caption` takes in `regions`.
            attribute: a name (see `finecaption.attributes`).
            choices: the values, in words.
            template: one or several sentences with {choice} in the place of the value; None: the
                model's own free answer shows how it would say it.

        Returns:
            Choice -> probability given that one of them is said; they sum to 1. Best first.

        Raises:
            InputError: unusable picture, region, attribute, choices or template.
        """
        encoded = self._encoded(image)
        made = as_region(region, encoded.size)
        return choose(self, encoded, made, attribute, choices, template=template).probabilities

    def _encoded(self, image: ImageSource | EncodedPicture) -> EncodedPicture:
        return image if isinstance(image, EncodedPicture) else self.encode(image)

    def _answers(
        self,
        plans: Sequence[Plan],
        decoding: Decoding | None,
        max_new_tokens: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> list[list[Answer]]:
        """Of all plans' regions, one after the other."""
        if not plans:
            return []
        questions = [texts for plan in plans for texts in plan.questions]
        total = sum(map(len, questions))
        told = None if progress is None else lambda done: progress(done, total)
        return answers(
            self.model,
            self.processor,
            together(plans),
            questions,
            hr_features=torch.cat([plan.encoded.hr_features for plan in plans]),
            decoding=decoding,
            max_new_tokens=max_new_tokens,
            progress=told,
        )

    def _result(
        self, plan: Plan, found: Sequence[Sequence[Answer]], decoding: Decoding | None
    ) -> CaptionResult:
        captions = []
        for region, row in zip(plan.regions, found, strict=False):
            named = {name: one.text for name, one in zip(plan.names, row, strict=False)}
            sure = {}
            for name, one in zip((*plan.names, *[DENSE] * plan.dense), row, strict=True):
                value = self._confidence(name, one.logprob, one.tokens, decoding)
                if value is not None:
                    sure[name] = value
            captions.append(Caption(region, named, row[-1].text if plan.dense else None, sure))
        whole = found[-1][0] if plan.whole else None
        return CaptionResult(
            tuple(captions),
            whole=None if whole is None else whole.text,
            notice=plan.encoded.notice,
            image=plan.encoded.name,
            model=self.name,
            whole_confidence=None
            if whole is None
            else self._confidence(WHOLE, whole.logprob, whole.tokens, decoding),
        )

    def _confidence(
        self, name: str, logprob: float, tokens: int, decoding: Decoding | None
    ) -> float | None:
        # What is drawn, searched, guided or cut has other log-probabilities than were calibrated.
        if self.calibration is None or not (decoding or Decoding()).plain:
            return None
        return self.calibration.probability(name, logprob, tokens)

    def stream(
        self,
        image: ImageSource | EncodedPicture,
        *,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] | None = None,
        regions: Iterable[Any] = (),
        attributes: Sequence[str] | str | None = None,
        dense: bool = False,
        whole: bool = False,
        max_new_tokens: int | None = None,
        decoding: Decoding | None = None,
    ) -> Iterator[Update]:
        """`caption`, token by token: all answers grow together. Arguments and errors are its.

        Of beam search, only the finished answers are told.
        """
        wish = wish_of(mask, box, points, regions, attributes, dense, whole)
        plan = self._plan(self._encoded(image), wish)
        for piece in answer_stream(
            self.model,
            self.processor,
            plan.inputs,
            plan.questions,
            hr_features=plan.encoded.hr_features,
            decoding=decoding,
            max_new_tokens=max_new_tokens,
        ):
            number, name = plan.label(piece.region, piece.question)
            sure = None
            if piece.logprob is not None:
                sure = self._confidence(name, piece.logprob, piece.tokens, decoding)
            yield Update(number, name, piece.text, piece.done, sure)

    def _plan(self, encoded: EncodedPicture, wish: Wish) -> Plan:
        given, names, dense, whole = wish
        found = self._regions(encoded, given)
        prepare = self.processor.image_processor.region_inputs
        asked = [region_instruction(name) for name in names]
        questions = [asked + [dense_instruction()] * dense for _ in found]
        masks = [prepare(region.mask, encoded.size) for region in found]
        if whole:
            questions.append([global_instruction()])
            masks.append(prepare(None, encoded.size))
        inputs = {
            "pixel_values_clip": encoded.pixel_values_clip,
            "whole_masks": torch.from_numpy(prepare(None, encoded.size)),
            "region_masks": torch.from_numpy(np.concatenate(masks)),
            "image_index": torch.zeros(len(masks), dtype=torch.long),
        }
        return Plan(encoded, found, names, dense and bool(given), whole, inputs, questions)

    def _regions(self, encoded: EncodedPicture, given: list[tuple[str, Any]]) -> list[Region]:
        found = []
        clickable: Any = None
        for field, entry in given:
            made = as_region(entry, encoded.size, field)
            if isinstance(made, RegionPrompt):
                prompt = made.within(encoded.size)
                if clickable is None:
                    clickable = self.segmenter.encode(encoded.picture, encoded.hr_features)
                mask = self.segmenter.predict(clickable, prompt.points, box=prompt.box).mask
                made = Region(mask)
            found.append(made)
        return found

    @property
    def segmenter(self) -> Any:
        """The model's click segmenter (`finecaption.segment.Segmenter`), loaded on first use.

        Raises:
            InputError: the model has none.
        """
        if self._segmenter is None:
            if self.folder is None:
                raise InputError("this model has no click segmenter; give a mask")
            from finecaption.segment import Segmenter

            self._segmenter = Segmenter.from_pretrained(self.folder, self.model)
        return self._segmenter


__all__ = [
    "DEFAULT_ATTRIBUTES",
    "DEFAULT_MODEL",
    "DENSE",
    "WHOLE",
    "Ask",
    "CaptionResult",
    "EncodedPicture",
    "FineCaption",
    "Update",
    "as_region",
    "attribute_names",
    "resolve_model",
]
