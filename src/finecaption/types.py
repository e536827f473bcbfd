"""The values that cross the package's borders: frozen, checked when made, plain numpy.

Coordinates and sizes as in `finecaption.io.geometry`: pixels, boxes xyxy, size (width, height).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from finecaption.attributes import dense_instruction, global_instruction, region_instruction
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import Box, Point, Size, check_box, check_point, check_size

Task: TypeAlias = Literal["aarc", "rdc", "cgic"]
TASKS: tuple[Task, ...] = get_args(Task)
"""Attribute-aware regional, regional dense, comprehensive global image captioning."""


@dataclass(frozen=True, eq=False)
class Region:
    """A part of an image: a bool mask of the image's shape with at least one pixel set.

    The mask is the one way in; the constructors make it from other forms. Points do not make a
    region: a `RegionPrompt` does, once a segmenter has turned it into a mask.
    """

    mask: np.ndarray
    """bool (H, W), read-only."""

    def __post_init__(self) -> None:
        mask = masks.as_mask(self.mask, field="Region.mask")
        if not mask.any():
            raise InputError("Region.mask: is empty; mark at least one pixel")
        mask = np.array(mask, order="C")  # a copy, so that nobody else can change it
        mask.setflags(write=False)
        object.__setattr__(self, "mask", mask)

    @classmethod
    def from_mask(cls, mask: Any, size: Size | None = None) -> Region:
        """From an array (values: see `finecaption.io.masks`), of the image's `size` if given."""
        return cls(masks.as_mask(mask, size))

    @classmethod
    def from_box(cls, box: Sequence[float], size: Size) -> Region:
        """The filled xyxy box. A box that stands for a thing in it is a `RegionPrompt` instead."""
        return cls(masks.mask_from_box(box, size))

    @classmethod
    def from_polygons(cls, polygons: Sequence[Any], size: Size) -> Region:
        """The union of COCO polygons (see `masks.decode_polygons`)."""
        return cls(masks.decode_polygons(polygons, size))

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any], size: Size | None = None) -> Region:
        """From COCO RLE, compressed or not; with `size`, it must be the image's."""
        return cls(masks.decode_rle(rle, size))

    @classmethod
    def whole(cls, size: Size) -> Region:
        """The whole image: what CGIC takes."""
        width, height = check_size(size)
        return cls(np.ones((height, width), bool))

    @property
    def size(self) -> Size:
        """(width, height) of the image."""
        return self.mask.shape[1], self.mask.shape[0]

    @cached_property
    def area(self) -> int:
        """Pixels in the region."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """The tight box, xyxy, x1 and y1 exclusive."""
        return masks.box_from_mask(self.mask)

    @cached_property
    def rle(self) -> dict[str, Any]:
        """Compressed COCO RLE."""
        return masks.encode_rle(self.mask)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Region):
            return NotImplemented
        return np.array_equal(self.mask, other.mask)

    def __hash__(self) -> int:
        return hash((self.mask.shape, self.rle["counts"]))

    def __repr__(self) -> str:
        width, height = self.size
        return f"Region({width}x{height}, box={self.box}, area={self.area})"


@dataclass(frozen=True)
class RegionPrompt:
    """Clicks and perhaps a box that say which thing is referred to; a segmenter makes the mask."""

    points: tuple[Point, ...] = ()
    box: Box | None = None

    def __post_init__(self) -> None:
        points = tuple(
            check_point(point, field=f"RegionPrompt.points[{index}]")
            for index, point in enumerate(self.points)
        )
        object.__setattr__(self, "points", points)
        if self.box is not None:
            object.__setattr__(self, "box", check_box(self.box, field="RegionPrompt.box"))
        elif not any(point.positive for point in points):
            raise InputError(
                "RegionPrompt: give a box, or at least one point on the thing (not only ':-')"
            )

    def within(self, size: Size) -> RegionPrompt:
        """The prompt for an image of (width, height): the box is cut to it.

        Raises:
            InputError: a point, or the whole box, lies outside.
        """
        size = check_size(size)
        for index, point in enumerate(self.points):
            check_point(point, size, f"point {index + 1}" if len(self.points) > 1 else "point")
        box = None if self.box is None else check_box(self.box, size)
        return RegionPrompt(self.points, box)


@dataclass(frozen=True, eq=False)
class RegionSample:
    """One question with its answer, as data sources give it and training and evaluation take it."""

    image: str | Path | np.ndarray
    """An image file, or its pixels: uint8 (H, W, 3)."""
    size: Size
    """(width, height) of the image, upright."""
    task: Task
    text: str
    """The reference answer."""
    mask: Mapping[str, Any] | np.ndarray | None = None
    """COCO RLE or bool (H, W); None only for cgic: the whole image."""
    attribute: str | None = None
    """Only for aarc, and required there; names outside the 18 are kept."""
    image_id: str = ""
    region_id: str | None = None
    split: str = ""
    source: str = ""
    """Name of the dataset."""
    licence: str = ""
    """A note on the terms under which the dataset gives image and text."""
    prompt: str | None = None
    """The question itself, where the dataset asks in its own words; None: the task's own."""

    def __post_init__(self) -> None:
        name = "RegionSample"
        size = check_size(self.size, f"{name}.size")
        object.__setattr__(self, "size", size)
        if isinstance(self.image, np.ndarray):
            shape = (size[1], size[0], 3)
            if self.image.shape != shape or self.image.dtype != np.uint8:
                raise InputError(
                    f"{name}.image: must be uint8 of shape {shape}; got {self.image.dtype} of "
                    f"shape {self.image.shape}"
                )
        elif not isinstance(self.image, (str, Path)) or not str(self.image):
            raise InputError(f"{name}.image: must be a path or an array; got {self.image!r}")
        if self.task not in TASKS:
            raise InputError(f"{name}.task: must be one of {', '.join(TASKS)}; got {self.task!r}")
        _check_text(self.text, f"{name}.text")
        _check_attribute(self.task, self.attribute, name)
        if self.prompt is not None:
            _check_text(self.prompt, f"{name}.prompt")
        if self.mask is None:
            if self.task != "cgic":
                raise InputError(f"{name}.mask: is missing; task {self.task} needs one")
        elif isinstance(self.mask, np.ndarray):
            masks.as_mask(self.mask, size, f"{name}.mask")
        elif not isinstance(self.mask, Mapping) or not {"size", "counts"} <= set(self.mask):
            raise InputError(f"{name}.mask: must be COCO RLE, a bool array or None")
        elif not _is_shape(self.mask["size"], size):
            raise InputError(
                f"{name}.mask: RLE size {self.mask['size']!r} is not the image's "
                f"[height, width] {[size[1], size[0]]}"
            )

    def region(self) -> Region:
        """The region, decoded; errors as `masks.decode_rle`."""
        if self.mask is None:
            return Region.whole(self.size)
        if isinstance(self.mask, np.ndarray):
            return Region.from_mask(self.mask, self.size)
        return Region.from_rle(self.mask, self.size)

    def instruction(self) -> str:
        """The user's text that asks this question."""
        return self.prompt or instruction(self.task, self.attribute)


@dataclass(frozen=True)
class Caption:
    """What was said of one region."""

    region: Region
    captions: Mapping[str, str] = field(default_factory=dict)
    """Attribute name -> sentence, in the order asked."""
    dense: str | None = None
    confidence: Mapping[str, float] = field(default_factory=dict)
    """Attribute name, or "dense" -> probability, 0 to 1, that the answer is right. Only of what the
    model is calibrated for (`finecaption.trust.calibration`): greedy answers to attributes."""

    def __post_init__(self) -> None:
        if not isinstance(self.region, Region):
            raise InputError(f"Caption.region: must be a Region; got {type(self.region).__name__}")
        for name, text in self.captions.items():
            _check_text(name, "Caption.captions: attribute name")
            if not isinstance(text, str):
                raise InputError(f"Caption.captions[{name!r}]: must be text; got {text!r}")
        object.__setattr__(self, "captions", MappingProxyType(dict(self.captions)))
        if self.dense is not None and not isinstance(self.dense, str):
            raise InputError(f"Caption.dense: must be text or None; got {self.dense!r}")
        for name, value in self.confidence.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value <= 1:
                raise InputError(
                    f"Caption.confidence[{name!r}]: must be a probability, 0 to 1; got {value!r}"
                )
        object.__setattr__(self, "confidence", MappingProxyType(dict(self.confidence)))

    def __hash__(self) -> int:
        return hash((self.region, tuple(self.captions.items()), self.dense))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: `{"mask": RLE, "box": xyxy, "captions": {...}, "dense": ...}`, and
        `"confidence": {...}` if there is any."""
        record = {
            "mask": self.region.rle,
            "box": list(self.region.box),
            "captions": dict(self.captions),
            "dense": self.dense,
        }
        if self.confidence:
            record["confidence"] = dict(self.confidence)
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Caption:
        """The inverse of `to_dict`; `box` follows from the mask and is not read.

        Raises:
            InputError: no mask, an unknown field, or a wrong value, by name.
        """
        unknown = sorted(set(record) - {"mask", "box", "captions", "dense", "confidence"})
        if unknown or "mask" not in record:
            problem = f"unknown {', '.join(unknown)}" if unknown else "no mask"
            raise InputError(
                f"Caption: {problem}; the fields are mask, box, captions, dense, confidence"
            )
        for name in ("captions", "confidence"):
            if not isinstance(record.get(name, {}), Mapping):
                raise InputError(f"Caption.{name}: must be an object; got {record[name]!r}")
        return cls(
            Region.from_rle(record["mask"]),
            record.get("captions", {}),
            record.get("dense"),
            record.get("confidence", {}),
        )


@dataclass(frozen=True)
class Prediction:
    """One answer of a model to one question: a line of `predictions.jsonl`."""

    image_id: str
    task: Task
    text: str
    """What the model said; may be empty, which counts as a wrong answer, not as an error."""
    attribute: str | None = None
    region_id: str | None = None
    reference: str | None = None

    def __post_init__(self) -> None:
        _check_text(self.image_id, "Prediction.image_id")
        if self.task not in TASKS:
            raise InputError(
                f"Prediction.task: must be one of {', '.join(TASKS)}; got {self.task!r}"
            )
        if not isinstance(self.text, str):
            raise InputError(f"Prediction.text: must be text; got {self.text!r}")
        _check_attribute(self.task, self.attribute, "Prediction")
        if self.task != "cgic" and not self.region_id:
            raise InputError(f"Prediction.region_id: is missing; task {self.task} needs one")

    def to_dict(self) -> dict[str, Any]:
        """A flat object for JSON."""
        return {
            "image_id": self.image_id,
            "region_id": self.region_id,
            "task": self.task,
            "attribute": self.attribute,
            "text": self.text,
            "reference": self.reference,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Prediction:
        """The inverse of `to_dict`.

        Raises:
            InputError: a field is missing, unknown or wrong, by name.
        """
        known = {"image_id", "region_id", "task", "attribute", "text", "reference"}
        unknown = sorted(set(record) - known)
        missing = sorted({"image_id", "task", "text"} - set(record))
        if unknown or missing:
            problem = f"unknown {', '.join(unknown)}" if unknown else f"no {', '.join(missing)}"
            raise InputError(f"Prediction: {problem}; the fields are {', '.join(sorted(known))}")
        return cls(**record)


def instruction(task: Task, attribute: str | None = None) -> str:
    """The user's text for a task; aarc needs the attribute's name."""
    if task == "aarc":
        _check_attribute(task, attribute, "instruction")
        return region_instruction(attribute or "")
    return dense_instruction() if task == "rdc" else global_instruction()


def _is_shape(shape: object, size: Size) -> bool:
    """Whether [height, width], as RLE has it, is that of a (width, height)."""
    return isinstance(shape, Sequence) and list(shape) == [size[1], size[0]]


def _check_text(text: object, name: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{name}: must be text that is not empty; got {text!r}")


def _check_attribute(task: str, attribute: object, name: str) -> None:
    if task == "aarc":
        _check_text(attribute, f"{name}.attribute")
    elif attribute is not None:
        raise InputError(f"{name}.attribute: only task aarc has one; {task} got {attribute!r}")
