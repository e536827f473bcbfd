"""What is asked of every picture, and how two runs' settings differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from finecaption.attributes import ATTRIBUTE_NAMES

SENTENCE = ATTRIBUTE_NAMES[0]
"""Asked, with the paragraph, of a region of which nothing in particular is asked."""


@dataclass(frozen=True)
class Questions:
    """The questions on each region and picture."""

    attributes: tuple[str, ...] = ()
    """Full names (`finecaption.attributes`)."""
    dense: bool = False
    """A paragraph on each region."""
    whole: bool = False
    """A paragraph on each picture."""
    everything: bool = False
    """Regions of a picture that has none are found by the segmenter."""
    decoding: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `generation.Decoding` that are not at their default."""

    def of(self, regions: int) -> tuple[tuple[str, ...], bool, bool, bool]:
        """(attributes, dense, whole, as region) of a picture with so many regions.

        A region of which nothing is asked gets a sentence and a paragraph. Without a region,
        attributes are asked of the picture as one region ("as region"), and anything else is
        answered by the paragraph on the picture.
        """
        if regions:
            asks = bool(self.attributes or self.dense)
            names = self.attributes if asks else (SENTENCE,)
            return names, self.dense or not asks, self.whole, False
        if self.attributes:
            return self.attributes, self.dense, self.whole, True
        return (), False, True, False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "attributes": list(self.attributes),
            "dense": self.dense,
            "global": self.whole,
            "everything": self.everything,
            "decoding": dict(self.decoding),
        }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What two runs' settings differ in, a sentence each."""
    found = []
    for key in dict.fromkeys((*old, *new)):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            found += [f"{key} {line}" for line in differences(was, now)]
        else:
            found.append(f"{key}: was {_shown(was)}, is {_shown(now)}")
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "not set"}[value]
    return str(value)
