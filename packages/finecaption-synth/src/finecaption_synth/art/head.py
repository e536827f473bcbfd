"""Sizes, colors and age of one head, which its face and its hair share."""

from __future__ import annotations

import random
from dataclasses import dataclass

from finecaption_synth.art.core import Look
from finecaption_synth.art.paint import HAIR, SKIN, shade

PUPIL = "#2a2027"


@dataclass(frozen=True)
class Head:
    """Sizes and colors that every part of one head shares."""

    rx: float
    ry: float
    female: bool
    child: bool
    elderly: bool
    skin: str
    hair: str
    style: str
    hat: bool
    side: bool
    deep: bool  # a brown or dark skin, on which dark lines need help
    beard: bool
    plump: bool = False

    @property
    def dark(self) -> str:
        """Lines inside the face: nose, ears, chin."""
        return shade(self.skin, 0.38)

    @property
    def sheen(self) -> str:
        """Strands in the hair."""
        return shade(self.hair, -0.3)

    @property
    def man(self) -> bool:
        """Whether this is a grown man's head."""
        return not self.female and not self.child

    @property
    def eye(self) -> tuple[float, float, float]:
        """(half width, half height, height above which the eyes sit, in half heads) of an eye."""
        if self.child:
            return 8.8, 10.0, 0.16
        return (6.6, 6.4, 0.02) if self.elderly else (7.4, 8.2, 0.0)


def head_of(look: Look, rx: float, ry: float) -> Head:
    """The head of a person of this look with half width rx and half height ry."""
    hair = "grey" if look.age == "elderly" else look.hair_colour or "brown"
    female, child = look.category in ("woman", "girl"), look.category in ("boy", "girl")
    return Head(
        rx=rx,
        ry=ry,
        female=female,
        child=child,
        elderly=look.age == "elderly",
        skin=SKIN[look.skin or "tan"],
        hair=HAIR[hair],
        style=look.hair_style or "short",
        hat=look.accessory == "hat",
        side=look.facing in ("left", "right"),
        deep=look.skin in ("brown", "dark"),
        beard=not female and not child and random.Random(look.variant + 1).random() < 0.6,
        plump=look.build == "broad",
    )
