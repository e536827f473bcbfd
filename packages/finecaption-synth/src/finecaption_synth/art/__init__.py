"""Artists: one function a category, from a Look to a Drawing."""

from __future__ import annotations

from collections.abc import Callable

from finecaption_synth.art import (
    animals,
    buildings,
    furniture,
    people,
    plants,
    props,
    signs,
    vehicles,
    vessels,
)
from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.art.settings import SETTINGS

DRAW: dict[str, Callable[[Look], Drawing]] = {
    **people.DRAW,
    **animals.DRAW,
    **furniture.DRAW,
    **vessels.DRAW,
    **vehicles.DRAW,
    **buildings.DRAW,
    **plants.DRAW,
    **signs.DRAW,
    **props.DRAW,
}

__all__ = ["DRAW", "SETTINGS"]
