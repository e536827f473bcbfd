"""What a run asks about every image, and how the settings of two runs differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from finecaption.decoding import Decoding
from finecaption.request import Questions


@dataclass(frozen=True)
class RunSettings:
    """What a run asks about every image."""

    questions: Questions = Questions()
    """As given: the defaulting rule is applied to each image (`finecaption.request`)."""
    everything: bool = False
    """Whether the segmenter finds the regions of an image that has none."""
    decoding: Decoding | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        given = self.decoding or Decoding()
        usual = Decoding()
        return {
            "attributes": list(self.questions.attributes),
            "dense": self.questions.dense,
            "global": self.questions.whole,
            "everything": self.everything,
            "decoding": {
                field.name: getattr(given, field.name)
                for field in fields(given)
                if getattr(given, field.name) != getattr(usual, field.name)
            },
        }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The differences between the settings of two runs, one sentence each."""
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
