"""What a scene consists of, and which combinations of looks training never shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

from finecaption_synth import vocabulary as voc
from finecaption_synth.art.core import Drawing, Look

SIZE = 512  # pixels of the canvas, both ways
SPLITS = ("train", "val", "test", "test-unseen")


@dataclass(frozen=True)
class Figure:
    """One thing on the canvas.

    Attributes:
        look: how it looks.
        drawing: the look, drawn.
        x, y: canvas position of the drawing's origin (its ground contact), pixels.
        scale: canvas pixels a local unit.
        grounded: whether it stands on the ground, so that it casts a shadow or reflection.
    """

    look: Look
    drawing: Drawing
    x: float
    y: float
    scale: float
    grounded: bool = True

    def point(self, anchor: str) -> tuple[float, float]:
        """An anchor of the drawing in canvas pixels."""
        ax, ay = self.drawing.anchors[anchor]
        return self.x + ax * self.scale, self.y + ay * self.scale

    @property
    def box(self) -> tuple[float, float, float, float]:
        """xyxy in canvas pixels."""
        x0, y0, x1, y1 = self.drawing.box
        s = self.scale
        return self.x + x0 * s, self.y + y0 * s, self.x + x1 * s, self.y + y1 * s


@dataclass(frozen=True)
class Scene:
    """A sampled scene.

    Attributes:
        split, seed, index: what it is a function of.
        setting, pitch, light: see truth.SceneTruth.
        variant: seed of the backdrop's harmless variation.
        figures: far to near, the order in which they are painted.
        bonds: (a, kind, b) interactions between figures by index, kind of truth.INTERACTIONS.
    """

    split: str
    seed: int
    index: int
    setting: str
    pitch: str
    light: str
    variant: int
    figures: tuple[Figure, ...]
    bonds: tuple[tuple[int, str, int], ...]


def _qualities(category: str) -> tuple[str | None, ...]:
    c = voc.CATEGORIES[category]
    if c.group == "person":
        return voc.GARMENTS
    return voc.COATS if c.group == "animal" else c.materials or (None,)


@cache
def _held_out(category: str) -> frozenset[tuple[str, str | None]]:
    pairs = [(c, q) for c in voc.CATEGORIES[category].colours for q in _qualities(category)]
    if len(pairs) < 7:  # too few to spare one
        return frozenset()
    pairs.sort(key=lambda p: hashlib.sha256(f"{category}|{p[0]}|{p[1]}".encode()).digest())
    return frozenset(pairs[: round(len(pairs) / 8)])


def held_out(category: str, colour: str, quality: str | None) -> bool:
    """Whether this combination is kept from training, val and test (for test-unseen alone).

    Args:
        quality: the material; for a person the garment, for an animal the coat.

    One combination in eight of each category that has at least seven, chosen by hash: every
    category, colour and quality is trained on, only never together.
    """
    return (colour, quality) in _held_out(category)


def quality_of(look: Look) -> str | None:
    """The third member of a look's combination: material, garment or coat."""
    return look.material or look.garment or look.coat


def unseen(look: Look) -> bool:
    """Whether a look is a combination that training never shows."""
    return held_out(look.category, look.colour, quality_of(look))
