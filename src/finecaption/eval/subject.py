"""The model behind an evaluation: found by its files, loaded when it is first asked."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import finecaption
from finecaption.attributes import region_instruction
from finecaption.eval.records import Record
from finecaption.eval.steps import Answerer, Clicker, PictureQuestions
from finecaption.geometry import Point

if TYPE_CHECKING:
    from finecaption.captioner import FineCaption

ANSWER_TOKENS = 64  # cap on an answer; the drawn world's longest has about 20 words
_WHOLE_FILE = 1 << 28  # bytes; of a larger file the two ends and the size stand for it
_END = 1 << 22
_IDENTIFYING = ("*.safetensors", "*.json", "*.jinja")
_BESIDE = ("provenance.json",)  # says how the weights came about, and changes nothing


def fingerprint(folder: str | os.PathLike[str]) -> str:
    """SHA-256 (hex) over the names and contents of a checkpoint's weights and settings."""
    digest = hashlib.sha256()
    root = Path(folder)
    files = {p for pattern in _IDENTIFYING for p in root.glob(pattern) if p.name not in _BESIDE}
    for path in sorted(files):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            if path.stat().st_size <= _WHOLE_FILE:
                while chunk := stream.read(_END):
                    digest.update(chunk)
            else:
                digest.update(stream.read(_END))
                stream.seek(-_END, os.SEEK_END)
                digest.update(stream.read(_END))
    return digest.hexdigest()


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
        from finecaption.captioner import resolve_model

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
        import transformers

        device = self.captioner.model.device
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
        return {
            "versions": {
                "finecaption": finecaption.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "numpy": np.__version__,
            },
            "hardware": {
                "device": gpu or device.type,
                "machine": platform.machine(),
                "cores": os.cpu_count(),
            },
        }

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

        index = [i for i, asked in enumerate(batch) for _ in asked.masks]
        told = iter(
            describe(
                self.captioner.model,
                self.captioner.processor,
                [asked.image for asked in batch],
                [mask for asked in batch for mask in asked.masks],
                [
                    [region_instruction(name) for name in names]
                    for asked in batch
                    for names in asked.attributes
                ],
                image_index=index,
                max_new_tokens=ANSWER_TOKENS,
            )
        )
        return [[next(told) for _ in asked.masks] for asked in batch]


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
