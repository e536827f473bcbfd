"""What was said of a picture and its regions, whole or while it is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from finecaption.domain import Notice
from finecaption.types import Caption


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
    confidence: float | None = None
    """Once done: probability, 0 to 1, that the answer is right, as `Caption.confidence`."""
