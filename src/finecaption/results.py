"""Answers to a request: complete, or while they are written. Free of torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from finecaption.request import DENSE, WHOLE
from finecaption.types import Caption, Region


@dataclass(frozen=True)
class Notice:
    """A warning that the captions are not to be trusted."""

    score: float
    threshold: float
    text: str
    kind: str = "out-of-domain"

    def to_dict(self) -> dict[str, Any]:
        """For JSON: kind, score and threshold (higher scores are stranger), text."""
        return {
            "kind": self.kind,
            "score": round(self.score, 3),
            "threshold": round(self.threshold, 3),
            "text": self.text,
        }


@dataclass(frozen=True)
class CaptionResult:
    """The captions of an image and its regions."""

    regions: tuple[Caption, ...]
    """In the order of the request."""
    whole: str | None = None
    """The paragraph about the whole image, if asked for."""
    notice: Notice | None = None
    """Set if the image is unlike those that the model knows: its captions are guesses."""
    image: str | None = None
    """The image's path, if it came from a file."""
    model: str = ""
    whole_confidence: float | None = None
    """Probability, 0 to 1, that `whole` is right, as `Caption.confidence`."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON: `{"image", "model", "regions": [{"mask", "box", "captions", "dense"}],
        "global", "notice"}`; mask is COCO RLE, box xyxy in pixels. A calibrated model adds
        "confidence" to the regions and "global_confidence"."""
        record: dict[str, Any] = {
            "image": self.image,
            "model": self.model,
            "regions": [caption.to_dict() for caption in self.regions],
            "global": self.whole,
            "notice": None if self.notice is None else self.notice.to_dict(),
        }
        if self.whole_confidence is not None:
            record["global_confidence"] = self.whole_confidence
        return record

    def answers(self) -> Iterator[tuple[int | None, str, str]]:
        """(region's number or None for the whole image, name, text) of each answer, in order."""
        for number, caption in enumerate(self.regions):
            for name, text in caption.captions.items():
                yield number, name, text
            if caption.dense is not None:
                yield number, DENSE, caption.dense
        if self.whole is not None:
            yield None, WHOLE, self.whole

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as ASCII JSON text."""
        from finecaption.io import strict_json  # for this alone

        return strict_json.dumps(self.to_dict(), indent=indent)


class CaptionUpdate(NamedTuple):
    """The state of one answer while it is written."""

    region: int | None
    """Its number, from 0; None: the whole image."""
    name: str
    """The attribute, "dense" or "global"."""
    text: str
    """So far."""
    finished: bool
    confidence: float | None = None
    """Once finished: probability, 0 to 1, that the answer is right, as `Caption.confidence`."""

    @property
    def done(self) -> bool:
        """Deprecated: `finished`."""
        warnings.warn("done is now finished", DeprecationWarning, stacklevel=2)
        return self.finished


def caption_of(
    region: Region,
    names: Sequence[str],
    texts: Sequence[str],
    confidence: Sequence[float | None] = (),
) -> Caption:
    """The caption of a region from its answers.

    Args:
        region: the region.
        names: attributes, "dense" among them (see `request.Questions.region_names`).
        texts: an answer a name.
        confidence: a probability a name, None where there is none; or nothing at all.
    """
    answers = dict(zip(names, texts, strict=True))
    dense = answers.pop(DENSE, None)
    known = {
        name: value for name, value in zip(names, confidence, strict=False) if value is not None
    }
    return Caption(region, answers, dense, known)


__all__ = ["DENSE", "WHOLE", "CaptionResult", "CaptionUpdate", "Notice", "caption_of"]
