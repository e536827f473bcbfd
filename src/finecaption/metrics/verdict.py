"""Reads the JSON object that a judge was asked for, out of whatever it wrote around it."""

from __future__ import annotations

import json
import re
from typing import Any

_FENCE = re.compile(r"```(?:json)?", re.IGNORECASE)


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text; None when there is none."""
    decoder = json.JSONDecoder(strict=False)  # line breaks in strings are common
    plain = _FENCE.sub(" ", text)
    at = plain.find("{")
    while at >= 0:
        try:
            found, _ = decoder.raw_decode(plain, at)
        except ValueError:
            at = plain.find("{", at + 1)
            continue
        return found if isinstance(found, dict) else None
    return None


def number(value: object, low: float, high: float) -> float | None:
    """A number of this range, also where it is written as text ("85", "85/100", "85 %")."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        found = re.match(r"\s*(-?\d+(?:\.\d+)?)", value)
        value = float(found[1]) if found else None
    if not isinstance(value, (int, float)) or not low <= value <= high:
        return None
    return float(value)
