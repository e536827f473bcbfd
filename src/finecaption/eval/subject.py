"""The model behind an evaluation: found by its files, loaded when it is first asked."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import finecaption
from finecaption.attributes import (
    dense_instruction,
    global_instruction,
    region_instruction,
)
from finecaption.captioners.fingerprint import fingerprint
from finecaption.errors import InputError
from finecaption.eval.records import Record
from finecaption.eval.steps import Answerer, Clicker, PictureQuestions
from finecaption.io.geometry import Point
from finecaption.types import Region, Task

if TYPE_CHECKING:
    from finecaption.captioner import FineCaption

ANSWER_TOKENS = 64  # cap on an answer; the drawn world's longest has about 20 words
PARAGRAPH_TOKENS = 160  # ... with paragraphs among them; the drawn world's longest has 70


def surroundings(device: str) -> Record:
    """Versions and hardware, for the manifest."""
    return {
        "versions": {
            "finecaption": finecaption.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "numpy")},
        },
        "hardware": {"device": device, "machine": platform.machine(), "cores": os.cpu_count()},
    }


class CheckpointSubject:
    """A checkpoint's folder: model, processor, and its click segmenter if there is one.

    Raises:
        InputError: no such model.
    """

    def __init__(
        self, name: str | os.PathLike[str] = "finecaption-mini", device: str | None = None
    ) -> None:
        """
        Args:
            name: a shipped model's name, or a folder.
            device: of torch; a GPU if there is one, by default.
        """
        from finecaption.loading import resolve_model

        self.folder = resolve_model(name)
        self._device = device
        self._captioner: FineCaption | None = None

    @property
    def identity(self) -> Record:
        """See run.Subject."""
        return {"name": self.folder.resolve().name, "sha256": fingerprint(self.folder)}

    @property
    def clicks(self) -> bool:
        """See run.Subject."""
        return (self.folder / "segmenter.json").is_file()

    @property
    def captioner(self) -> FineCaption:
        """The model, loaded on first use.

        Raises:
            InputError: it cannot be read, or the device cannot be used.
        """
        if self._captioner is None:
            from finecaption.captioner import FineCaption

            self._captioner = FineCaption.from_pretrained(self.folder, self._device)
        return self._captioner

    def about(self) -> Record:
        """See run.Subject."""
        import torch

        device = self.captioner.model.device
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
        return surroundings(gpu or device.type)

    def answerer(self) -> Answerer:
        """See run.Subject."""
        return ModelAnswerer(self.captioner)

    def clicker(self) -> Clicker:
        """See run.Subject.

        Raises:
            InputError: the segmenter's files cannot be read.
        """
        return ModelClicker(self.captioner.segmenter)


class ModelAnswerer:
    """steps.Answerer over a FineCaption model."""

    def __init__(self, captioner: FineCaption) -> None:
        self.captioner = captioner

    def answer(self, batch: Sequence[PictureQuestions]) -> list[list[list[str]]]:
        """See steps.Answerer."""
        from finecaption.generation import describe

        index: list[int] = []
        shown: list[np.ndarray] = []
        questions: list[list[str]] = []
        for i, asked in enumerate(batch):
            rows = [list(map(region_instruction, names)) for names in asked.attributes]
            masks = list(asked.masks)
            if asked.dense:
                rows = [[*row, dense_instruction()] for row in rows]
            if asked.whole:
                masks.append(np.ones(asked.image.shape[:2], bool))
                rows.append([global_instruction()])
            shown += masks
            questions += rows
            index += [i] * len(masks)
        long = any(asked.dense or asked.whole for asked in batch)
        told = iter(
            describe(
                self.captioner.model,
                self.captioner.processor,
                [asked.image for asked in batch],
                shown,
                questions,
                image_index=index,
                max_new_tokens=PARAGRAPH_TOKENS if long else ANSWER_TOKENS,
            )
        )
        return [[next(told) for _ in range(index.count(i))] for i in range(len(batch))]


class ModelClicker:
    """steps.Clicker over a finecaption.segment.Segmenter."""

    def __init__(self, segmenter: Any) -> None:
        self.segmenter = segmenter

    def embed(self, image: np.ndarray) -> Any:
        """See steps.Clicker."""
        return self.segmenter.encode(image)

    def mask(self, embedded: Any, points: Sequence[Point]) -> np.ndarray:
        """See steps.Clicker."""
        return self.segmenter.predict(embedded, points).mask


class OtherSubject:
    """Any captioner behind finecaption.captioners' protocol.

    Attributes:
        captioner: what answers.
    """

    def __init__(self, captioner: AnyCaptioner, batch: int = 32) -> None:
        """
        Args:
            batch: queries given to the captioner at once.
        """
        self.captioner, self._batch = captioner, batch

    @property
    def identity(self) -> Record:
        """See run.Subject."""
        return dict(self.captioner.identity)

    @property
    def clicks(self) -> bool:
        """See run.Subject."""
        return False

    def about(self) -> Record:
        """See run.Subject."""
        return surroundings("see the captioner")

    def answerer(self) -> Answerer:
        """See run.Subject."""
        return QueryAnswerer(self.captioner, self._batch)

    def clicker(self) -> Clicker:
        """There is none.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.identity['name']}: has no click segmenter; give --clicks 0")


class AnyCaptioner(Protocol):
    """What is needed of finecaption.captioners.Captioner."""

    @property
    def identity(self) -> dict[str, Any]: ...

    def caption(self, batch: Sequence[Any]) -> list[str]:
        """One answer a query (image, region, task, attribute)."""
        ...


class QueryAnswerer:
    """steps.Answerer over a captioner that is asked query by query."""

    def __init__(self, captioner: AnyCaptioner, batch: int) -> None:
        self.captioner, self.batch = captioner, batch

    def answer(self, batch: Sequence[PictureQuestions]) -> list[list[list[str]]]:
        """See steps.Answerer."""
        queries: list[tuple[Any, Region | None, Task, str | None]] = []
        shape: list[list[int]] = []
        for asked in batch:
            counts = []
            for mask, names in zip(asked.masks, asked.attributes, strict=True):
                region = Region(mask)
                own: list[tuple[Task, str | None]] = [("aarc", name) for name in names]
                own += [("rdc", None)] if asked.dense else []
                queries += [(asked.image, region, task, name) for task, name in own]
                counts.append(len(own))
            if asked.whole:
                queries.append((asked.image, None, "cgic", None))
                counts.append(1)
            shape.append(counts)
        told: list[str] = []
        for i in range(0, len(queries), self.batch):
            told += self.captioner.caption(queries[i : i + self.batch])
        rest = iter(told)
        return [[[next(rest) for _ in range(n)] for n in counts] for counts in shape]


def open_subject(name: str | os.PathLike[str], device: str | None = None) -> Any:
    """What --model names: a checkpoint of ours by name or folder, else any other captioner.

    Raises:
        InputError: there is none of that name.
    """
    from finecaption.loading import resolve_model

    try:
        folder = resolve_model(name)
        kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    except InputError:
        kind = None
    if kind == "finecaption":
        return CheckpointSubject(name, device)
    from finecaption.captioners import open_captioner

    return OtherSubject(open_captioner(str(name), device=device))
