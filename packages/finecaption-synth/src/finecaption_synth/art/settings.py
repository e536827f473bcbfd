"""Backdrops by the name of their setting: calm, pale places for figures to stand in."""

from __future__ import annotations

from collections.abc import Callable

from finecaption_synth.art import indoors, outdoors
from finecaption_synth.art.backdrop import HORIZON, SIZE, Backdrop

__all__ = ["HORIZON", "SETTINGS", "SIZE", "Backdrop"]

# Each takes the camera's pitch (vocabulary.PITCHES) and a seed for palette and ornament.
SETTINGS: dict[str, Callable[[str, int], Backdrop]] = {
    "meadow": outdoors.meadow,
    "street": outdoors.street,
    "beach": outdoors.beach,
    "snow": outdoors.snow,
    "frozen lake": outdoors.frozen_lake,
    "living room": indoors.living_room,
    "kitchen": indoors.kitchen,
    "gallery": indoors.gallery,
}
