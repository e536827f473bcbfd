"""Random looks, and figures drawn of them at the size that their depth asks for."""

from __future__ import annotations

import random
from dataclasses import replace

from finecaption_synth import vocabulary as voc
from finecaption_synth.art import DRAW
from finecaption_synth.art.core import Look
from finecaption_synth.figures import Figure, unseen
from finecaption_synth.sizes import pixels

PEOPLE = ("man", "woman", "boy", "girl")
_TALL = {"child": 200.0}  # local units of a standing child; of all others _ADULT
_ADULT = 280.0


class Artist:
    """Draws looks and figures of one scene from its random stream."""

    def __init__(self, rng: random.Random, pitch: str, want_unseen: bool) -> None:
        self.rng = rng
        self.pitch = pitch
        self.want_unseen = want_unseen
        self.count = 0

    def look(self, category: str, **fixed: object) -> Look:
        """A random look of a category, with the given fields fixed."""
        for _ in range(60):
            look = self._draw_look(category, **fixed)
            if unseen(look) == self.want_unseen:
                return look
        # Only test-unseen gets here: some categories have no held-out combination.
        return look

    def _draw_look(self, category: str, **fixed: object) -> Look:
        rng, c = self.rng, voc.CATEGORIES[category]
        colour = fixed.pop("colour", None) or rng.choice(c.colours)
        accents = [a for a in voc.VIVID + ("white",) if a != colour]
        values: dict[str, object] = {
            "facing": rng.choice(c.facings) if c.facings else "front",
            "material": rng.choice(c.materials) if c.materials else None,
            "shape": rng.choice(c.shapes) if c.shapes else None,
            "state": rng.choice(c.states) if c.states else None,
            "text": rng.choice(voc.WORDS) if c.text and rng.random() < 0.85 else None,
        }
        if c.group == "person":
            values |= self._person(category)
        if c.group == "animal":
            values |= {
                "pose": rng.choice(voc.ANIMAL_POSES),
                "build": rng.choice(voc.ANIMAL_BUILDS),
                "coat": rng.choice(voc.COATS),
            }
            if values["state"] == "sleeping":
                values["pose"] = "lying down"
        values |= fixed
        if values.get("pose") in ("waving", "arms raised", "walking"):
            values["state"] = "idle"
        self.count += 1
        return Look(
            category=category,
            colour=str(colour),
            accent=rng.choice(accents),
            uid=f"u{self.count}",
            pitch=self.pitch,
            **{"variant": rng.randrange(2**31), **values},  # type: ignore[arg-type]  # each value is drawn from its own field's list
        )

    def _person(self, category: str) -> dict[str, object]:
        rng = self.rng
        young = category in ("boy", "girl")
        age = "child" if young else rng.choice(("adult", "elderly"))
        old = age == "elderly"
        states = ("idle", "idle", "reading", "drinking")
        return {
            "pose": rng.choice(("standing", "walking", "waving", "arms raised")),
            "state": rng.choice(states),
            "facing": rng.choice(("front", "front", "back", "left", "right")),
            "build": rng.choice(voc.BUILDS),
            "expression": rng.choice(voc.EXPRESSIONS),
            "skin": rng.choice(voc.SKIN_TONES),
            "skin_texture": "wrinkled" if old else rng.choice(("smooth", "freckled")),
            "hair_style": rng.choice(voc.HAIR_STYLES),
            "hair_colour": "grey" if old else rng.choice(voc.HAIR_COLOURS[:-1]),
            "garment": rng.choice(voc.GARMENTS),
            "shoes": rng.choice(voc.SHOES),
            "accessory": rng.choice(voc.ACCESSORIES),
            "age": age,
        }

    def variant(self, odd: bool) -> int:
        """A variant that is odd or even, where that decides what stands under or holds a thing."""
        return self.rng.randrange(2**30) * 2 + odd

    def figure(
        self,
        look: Look,
        t: float,
        *,
        meters: float | None = None,
        height: float | None = None,
        grounded: bool = True,
    ) -> Figure:
        """A look drawn at depth t.

        Args:
            meters: its real height; default: the category's, a little varied.
            height: its height in canvas pixels, instead of all that.
        """
        c = voc.CATEGORIES[look.category]
        if height is None:
            real = meters or c.size * self.rng.uniform(0.92, 1.1)
            height = pixels(real, t)
        if c.group == "person":  # by standing height: a sitting man is no giant
            tall = _TALL.get(look.age or "", _ADULT)
        else:
            # An animal by its standing height too.
            upright = replace(look, pose="standing", state="awake") if look.coat else look
            box = DRAW[look.category](upright).box
            tall = box[3] - box[1]
        scale = height / tall
        look = replace(look, scale=scale)
        return Figure(look, DRAW[look.category](look), 0.0, 0.0, scale, grounded)

    @staticmethod
    def at(figure: Figure, anchor: str, x: float, y: float) -> Figure:
        """The figure moved so that its anchor lies on (x, y) of the cluster."""
        ax, ay = figure.drawing.anchors.get(anchor, (0.0, 0.0))
        return replace(figure, x=x - ax * figure.scale, y=y - ay * figure.scale)
