"""What describes: a model behind a small interface, and the one place that opens it by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from finecaption.bulk.jobs import WHOLE, Loaded
from finecaption.bulk.settings import Questions
from finecaption.errors import InputError
from finecaption.types import Caption, Region

if TYPE_CHECKING:
    from finecaption.captioner import Ask, CaptionResult, EncodedPicture, FineCaption

_EDGE = 1 << 16  # bytes at either end of a weights file that go into a model's fingerprint


@dataclass(frozen=True)
class Said:
    """What was said of one picture."""

    captions: tuple[Caption, ...]
    names: tuple[str, ...]
    """Ids of the regions."""
    whole: str | None = None
    whole_confidence: float | None = None
    notice: Mapping[str, Any] | None = None


class Engine(Protocol):
    """A model, open."""

    name: str

    def describe(self, pictures: Sequence[Loaded], questions: Questions) -> list[Said | InputError]:
        """An answer or an error for each picture, in order."""
        ...


class Spec(Protocol):
    """A model that can be opened, here or on another machine: it can be pickled."""

    def identity(self) -> dict[str, Any]:
        """What tells its answers from another model's: plain JSON values."""
        ...

    def open(self) -> Engine:
        """Loads it."""
        ...


@dataclass(frozen=True)
class ModelSpec:
    """A model by the name or folder that `--model` takes.

    This is where a further form of that text would be told apart.
    """

    model: str
    device: str | None = None

    def identity(self) -> dict[str, Any]:
        """Name and fingerprint; the weights are not loaded.

        Raises:
            InputError: there is no such model.
        """
        from finecaption.loading import resolve_model

        folder = resolve_model(self.model)
        return {"name": folder.name, "fingerprint": fingerprint(folder)}

    def open(self) -> Engine:
        """The model, loaded.

        Raises:
            InputError: no such model or device.
        """
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        from finecaption.captioner import FineCaption

        return Local(FineCaption.from_pretrained(self.model, self.device))


def fingerprint(folder: Path) -> str:
    """A hash of a model's configuration and of both ends of its weights: training changes all."""
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_EDGE))
            if size > _EDGE:
                stream.seek(max(_EDGE, size - _EDGE))
                digest.update(stream.read())
    return digest.hexdigest()[:16]


class Local:
    """A `FineCaption` of this process."""

    def __init__(self, captioner: FineCaption) -> None:
        self.captioner = captioner
        self.name = captioner.name

    def describe(self, pictures: Sequence[Loaded], questions: Questions) -> list[Said | InputError]:
        """See `Engine`."""
        from finecaption.generation import Decoding

        asks: list[Ask | InputError] = []
        names: list[tuple[str, ...]] = []
        for loaded in pictures:
            try:
                ask, ids = self._ask(loaded, questions)
            except InputError as error:
                asks.append(error)
                names.append(())
            else:
                asks.append(ask)
                names.append(ids)
        good = [ask for ask in asks if not isinstance(ask, InputError)]
        results = iter(self.captioner.caption_many(good, decoding=Decoding(**questions.decoding)))
        return [
            ask if isinstance(ask, InputError) else _said(next(results), ids)
            for ask, ids in zip(asks, names, strict=True)
        ]

    def _ask(self, loaded: Loaded, questions: Questions) -> tuple[Ask, tuple[str, ...]]:
        from finecaption.captioner import Ask

        image: Any = loaded.picture
        regions: list[Any] = list(loaded.regions)
        names = tuple(loaded.names)
        if questions.everything and not regions:
            image = self.captioner.encode(loaded.picture)
            regions = [Region(mask) for mask in find_everything(self.captioner, image)]
            names = tuple(str(number) for number in range(1, len(regions) + 1))
        attributes, dense, whole, as_region = questions.of(len(regions))
        if as_region:
            regions, names = [Region.whole(loaded.picture.size)], (WHOLE,)
        ask = Ask(image, regions, attributes or None, dense, whole)
        return ask, names


def _said(result: CaptionResult | InputError, names: tuple[str, ...]) -> Said | InputError:
    if isinstance(result, InputError):
        return result
    notice = None if result.notice is None else result.notice.to_dict()
    return Said(result.regions, names, result.whole, result.whole_confidence, notice)


def find_everything(captioner: FineCaption, encoded: EncodedPicture) -> list[Any]:
    """Masks, bool (H, W), of the things in a picture that `captioner.encode` returned.

    Raises:
        InputError: the model has no segmenter.
    """
    from finecaption.everything import segment_everything

    found: list[Any] = segment_everything(_Reuse(captioner, encoded), encoded.picture)
    return found


class _Reuse:
    """The segmenter, on a picture that has been through the towers already."""

    def __init__(self, captioner: FineCaption, encoded: EncodedPicture) -> None:
        self._segmenter = captioner.segmenter
        self._encoded = encoded

    def encode(self, image: Any) -> Any:
        """As `Segmenter.encode`; the towers run for parts of the picture only."""
        known = image is self._encoded.picture
        return self._segmenter.encode(image, self._encoded.hr_features if known else None)

    def propose(self, encoded: Any, points: Any = (), boxes: Any = ()) -> Any:
        """As `Segmenter.propose`."""
        return self._segmenter.propose(encoded, points=points, boxes=boxes)


__all__ = [
    "Engine", "Local", "ModelSpec", "Said", "Spec", "find_everything", "fingerprint",
]  # fmt: skip
