"""Describe regions of pictures: the main way in.

    captioner = FineCaption.from_pretrained("finecaption-mini")
    result = captioner.caption("scene.png", box=(40, 60, 200, 300), attributes=["Color"])
    result.regions[0].captions["Color"]

Coordinates are pixels of the upright picture, boxes x0, y0, x1, y1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    dense_instruction,
    global_instruction,
    region_instruction,
    resolve_attribute,
)
from finecaption.domain import DomainModel, Notice, pool_features
from finecaption.errors import InputError
from finecaption.generation import answer, answer_stream, encode_pictures
from finecaption.geometry import Size, check_point
from finecaption.images import ImageSource, load_image
from finecaption.masks import load_mask
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.types import Caption, Region, RegionPrompt

DEFAULT_MODEL = "finecaption-mini"
DEFAULT_ATTRIBUTES = (ATTRIBUTE_NAMES[0],)
"""Asked, with the paragraph, of a region of which nothing in particular is asked."""

DENSE, WHOLE = "dense", "global"

_SHIPPED = Path(__file__).parent / "pretrained"
_FP32_BYTES = 2 << 30  # checkpoints up to this size run in float32 on a GPU too


@dataclass(frozen=True)
class CaptionResult:
    """What was said of a picture and its regions."""

    regions: tuple[Caption, ...]
    """In the order asked."""
    whole: str | None = None
    """The paragraph on the whole picture, if asked."""
    notice: Notice | None = None
    """Set if the picture is unlike those that the model knows: its captions are guesses."""
    image: str | None = None
    """The picture's path, if it came from a file."""
    model: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON: `{"image", "model", "regions": [{"mask", "box", "captions", "dense"}],
        "global", "notice"}`; mask is COCO RLE, box xyxy in pixels."""
        return {
            "image": self.image,
            "model": self.model,
            "regions": [caption.to_dict() for caption in self.regions],
            "global": self.whole,
            "notice": None if self.notice is None else self.notice.to_dict(),
        }

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as ASCII JSON text."""
        return json.dumps(self.to_dict(), indent=indent)


class Update(NamedTuple):
    """News of one answer, while it is written."""

    region: int | None
    """Its number, from 0; None: the whole picture."""
    name: str
    """The attribute, "dense" or "global"."""
    text: str
    """So far."""
    done: bool


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """A picture that has been through the towers; `FineCaption.caption` takes it as its image."""

    picture: Image.Image
    pixel_values_clip: torch.Tensor
    """uint8 (1, 3, s, s)"""
    hr_features: torch.Tensor
    """(1, C_hr, g, g)"""
    notice: Notice | None = None
    name: str | None = None

    @property
    def size(self) -> Size:
        """(width, height)"""
        return self.picture.size


class _Plan(NamedTuple):
    """All that is to be asked of one picture."""

    encoded: EncodedPicture
    regions: list[Region]
    names: tuple[str, ...]
    dense: bool
    whole: bool
    inputs: dict[str, torch.Tensor]
    questions: list[list[str]]

    def label(self, region: int, question: int) -> tuple[int | None, str]:
        """Region number (None: the whole picture) and name of a question."""
        if region == len(self.regions):
            return None, WHOLE
        return region, self.names[question] if question < len(self.names) else DENSE


class FineCaption:
    """A model with all that it takes to describe regions: processor, segmenter, domain."""

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        processor: FineCaptionProcessor,
        *,
        domain: DomainModel | None = None,
        folder: str | os.PathLike[str] | None = None,
        name: str = "",
    ) -> None:
        """
        Args:
            model, processor: see `finecaption.model`.
            domain: statistics of the pictures that the model knows; without, no notice is given.
            folder: where the click segmenter is looked for when a box or points are given.
            name: the model's, for results.
        """
        self.model = model.eval()
        self.processor = processor
        self.domain = domain
        self.folder = None if folder is None else Path(folder)
        self.name = name
        self._segmenter: Any = None

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str] = DEFAULT_MODEL,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> FineCaption:
        """Load a model.

        Args:
            name_or_folder: the shipped "finecaption-mini", or a folder that `save_pretrained` of
                model and processor wrote.
            device: cuda if there is one, else cpu, if None.
            dtype: if None, float32; bfloat16 for checkpoints over 2 GiB on a GPU.

        Raises:
            InputError: no such model, or one that cannot be read; an unusable device.
        """
        folder = resolve_model(name_or_folder)
        where = _device(device)
        if dtype is None:
            size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
            large = size > _FP32_BYTES and where.type != "cpu"
            dtype = torch.bfloat16 if large else torch.float32
        try:
            model = FineCaptionForConditionalGeneration.from_pretrained(
                folder, dtype=dtype, local_files_only=True
            )
            processor = FineCaptionProcessor.from_pretrained(folder, local_files_only=True)
        # transformers, safetensors and tokenizers raise errors of their own for broken files
        except Exception as error:
            raise InputError(f"{folder}: the model cannot be read ({error})") from error
        return cls(
            model.to(where),
            processor,
            domain=DomainModel.load(folder),
            folder=folder,
            name=folder.name,
        )

    def encode(self, image: ImageSource) -> EncodedPicture:
        """Run the mask-independent towers, for several calls of `caption` on one picture.

        Raises:
            InputError: the picture cannot be read.
        """
        picture = load_image(image)
        pixels = self.processor.image_processor.image_inputs(picture)
        features = encode_pictures(self.model, torch.from_numpy(pixels["pixel_values"]))
        notice = None
        if self.domain is not None:
            maps = features[0].float().cpu().numpy()
            notice = self.domain.judge(pool_features(maps, picture.size))
        name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else None
        clip = torch.from_numpy(pixels["pixel_values_clip"])
        return EncodedPicture(picture, clip, features, notice, name)

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
        progress: Callable[[int, int], None] | None = None,
    ) -> CaptionResult:
        """Describe regions of a picture, the picture as a whole, or both.

        Regions are numbered: `mask`, then `box` with `points`, then `regions`. Of a region of which
        nothing is asked, a sentence and a paragraph are given; without any region, a paragraph on
        the whole picture.

        Args:
            image: anything `finecaption.images.load_image` opens, or what `encode` returned.
            mask: one region: an array (H, W), a mask file or a PIL image (see `finecaption.masks`).
            box: one region: x0, y0, x1, y1 in pixels around it; the click segmenter finds the mask.
            points: one region: clicks (x, y) or (x, y, positive) in pixels; with `box`, they are of
                the same region.
            regions: more of them, each a `Region`, a `RegionPrompt`, a mask, four numbers (a box),
                COCO RLE, or a mapping with the keys mask, or box and points.
            attributes: names (see `finecaption.attributes`), or "all".
            dense: whether to write a paragraph on each region.
            whole: whether to write a paragraph on the whole picture.
            max_new_tokens: cap on each answer.
            progress: called with the number of finished answers, and of all.

        Raises:
            InputError: unusable picture, region or attribute; attributes without a region.
        """
        plan = self._plan(image, mask, box, points, regions, attributes, dense, whole)
        total = sum(map(len, plan.questions))
        told = None if progress is None else lambda done: progress(done, total)
        answers = answer(
            self.model,
            self.processor,
            plan.inputs,
            plan.questions,
            hr_features=plan.encoded.hr_features,
            max_new_tokens=max_new_tokens,
            progress=told,
        )
        captions = []
        for region, texts in zip(plan.regions, answers, strict=False):
            named = dict(zip(plan.names, texts, strict=False))
            captions.append(Caption(region, named, texts[-1] if plan.dense else None))
        return CaptionResult(
            tuple(captions),
            whole=answers[-1][0] if plan.whole else None,
            notice=plan.encoded.notice,
            image=plan.encoded.name,
            model=self.name,
        )

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
    ) -> Iterator[Update]:
        """`caption`, token by token: all answers grow together. Arguments and errors are its."""
        plan = self._plan(image, mask, box, points, regions, attributes, dense, whole)
        for piece in answer_stream(
            self.model,
            self.processor,
            plan.inputs,
            plan.questions,
            hr_features=plan.encoded.hr_features,
            max_new_tokens=max_new_tokens,
        ):
            number, name = plan.label(piece.region, piece.question)
            yield Update(number, name, piece.text, piece.done)

    def _plan(
        self,
        image: ImageSource | EncodedPicture,
        mask: Any,
        box: Sequence[float] | None,
        points: Sequence[Sequence[float]] | None,
        regions: Iterable[Any],
        attributes: Sequence[str] | str | None,
        dense: bool,
        whole: bool,
    ) -> _Plan:
        names = attribute_names(attributes)  # before the work, as a typing error costs little then
        given: list[tuple[str, Any]] = []
        if mask is not None:
            given.append(("mask", mask))
        if box is not None or points:
            given.append(("box" if box is not None else "points", _prompt(box, points or ())))
        given.extend((f"regions[{number}]", entry) for number, entry in enumerate(regions))
        if not given and names:
            raise InputError("attributes: are asked of a region; give a mask, a box or points")
        if given and not names and not dense:
            names, dense = DEFAULT_ATTRIBUTES, True
        whole = whole or not given
        encoded = image if isinstance(image, EncodedPicture) else self.encode(image)
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
            "region_masks": torch.from_numpy(np.concatenate(masks)),
            "image_index": torch.zeros(len(masks), dtype=torch.long),
        }
        return _Plan(encoded, found, names, dense and bool(given), whole, inputs, questions)

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


def resolve_model(name_or_folder: str | os.PathLike[str]) -> Path:
    """The folder of a model: a shipped one by its name, or the folder itself.

    Raises:
        InputError: there is none.
    """
    text = os.fspath(name_or_folder)
    shipped = _SHIPPED / text
    plain = text not in ("", ".", "..") and Path(text).name == text
    folder = shipped if plain and shipped.is_dir() else Path(text)
    if (folder / "config.json").is_file():
        return folder
    names = sorted(entry.parent.name for entry in _SHIPPED.glob("*/config.json"))
    known = f"shipped models: {', '.join(names)}" if names else "no model is shipped"
    what = "holds no config.json" if folder.is_dir() else "no such model or folder"
    raise InputError(f"model {text!r}: {what}; give a folder written by save_pretrained ({known})")


def attribute_names(attributes: Sequence[str] | str | None) -> tuple[str, ...]:
    """The full names, each once, in the order given; "all" is all 18 in their own order.

    Raises:
        InputError: an unknown name.
    """
    if attributes is None:
        return ()
    if isinstance(attributes, str):
        if attributes.strip().casefold() == "all":
            return ATTRIBUTE_NAMES
        attributes = [attributes]
    return tuple(dict.fromkeys(resolve_attribute(text).name for text in attributes))


def as_region(entry: Any, size: Size, field: str = "region") -> Region | RegionPrompt:
    """Any form of a region (see `FineCaption.caption`) for a picture of (width, height).

    Raises:
        InputError: not one of the forms, empty, or not of the picture's size.
    """
    if isinstance(entry, RegionPrompt):
        return entry
    if isinstance(entry, Region):
        if entry.size != tuple(size):
            raise InputError(
                f"{field}: is of a picture of {entry.size[0]} x {entry.size[1]} pixels; this one "
                f"has {size[0]} x {size[1]}"
            )
        return entry
    if isinstance(entry, Mapping):
        if {"size", "counts"} <= set(entry):
            return Region.from_rle(entry, size)
        unknown = sorted(set(entry) - {"mask", "box", "points"})
        if unknown or not entry or ("mask" in entry and len(entry) > 1):
            raise InputError(f"{field}: must have the key mask, or box or points or both")
        if "mask" in entry:
            return as_region(entry["mask"], size, f"{field}.mask")
        return _prompt(entry.get("box"), entry.get("points") or ())
    if isinstance(entry, (str, os.PathLike, bytes, bytearray, Image.Image)):
        mask = load_mask(entry, size)
        name = os.fspath(entry) if isinstance(entry, (str, os.PathLike)) else field
        if not mask.any():
            raise InputError(f"{name!s}: the mask is empty; mark at least one pixel of the region")
        return Region(mask)
    if isinstance(entry, Sequence) and len(entry) == 4 and not isinstance(entry[0], Sequence):
        return _prompt(entry, ())
    mask = np.asarray(entry)
    if mask.shape == (4,):
        return _prompt(mask.tolist(), ())
    return Region.from_mask(mask, size)


def _prompt(box: Sequence[float] | None, points: Sequence[Sequence[float]]) -> RegionPrompt:
    clicks = tuple(check_point(point, field=f"points[{i}]") for i, point in enumerate(points))
    return RegionPrompt(clicks, None if box is None else tuple(box))  # type: ignore[arg-type]  # it checks the length


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(device)
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r}: cannot be used ({reason})") from error
    return where
