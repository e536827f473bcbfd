"""Scenes: what stands where, as a pure function of split, seed and index."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from finecaption_synth import vocabulary as voc
from finecaption_synth.art import SETTINGS
from finecaption_synth.clusters import Clusters
from finecaption_synth.figures import (
    SIZE,
    SPLITS,
    Figure,
    Scene,
    held_out,
    quality_of,
    unseen,
)

__all__ = [
    "SIZE",
    "SPLITS",
    "Figure",
    "Scene",
    "held_out",
    "quality_of",
    "sample_scene",
    "unseen",
]

Maker = Callable[[float], list[Figure]]
_MOST = 8  # figures a scene
_COVER = 0.22  # of a farther figure's box that a nearer one may cover
_HEAD = 0.42  # upper share of a box that has to stay free: faces and words are there


def _box_area(box: tuple[float, float, float, float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _common(
    a: tuple[float, float, float, float], b: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def _foot(cluster: list[Figure]) -> float:
    """y of the ground on which a cluster stands."""
    return next((f.y for f in cluster if f.grounded), cluster[0].y)


def _clear(far: Figure, near: Figure, gap: float) -> bool:
    """Whether enough of the farther of two figures shows, above all a face or a word.

    Args:
        gap: between the ground lines of their clusters, pixels.
    """
    shared = _box_area(_common(far.box, near.box))
    if not shared:
        return True
    if gap < 20 and shared > 0.04 * min(_box_area(far.box), _box_area(near.box)):
        return False  # side by side, and yet in one place
    if shared > _COVER * _box_area(far.box):
        return False
    if far.look.text or voc.CATEGORIES[far.look.category].group in ("person", "animal"):
        x0, y0, x1, y1 = far.box
        head = (x0, y0, x1, y0 + _HEAD * (y1 - y0))
        return _box_area(_common(head, near.box)) < 0.06 * _box_area(head)
    return True


def _apart(a: list[Figure], b: list[Figure]) -> bool:
    """Whether two clusters leave each other room."""
    far, near = sorted((a, b), key=_foot)
    gap = _foot(near) - _foot(far)
    return all(_clear(f, g, gap) for f in far for g in near)


class _Sampler:
    """Draws one scene; the state is the random stream and what was placed so far."""

    def __init__(self, split: str, seed: int, index: int) -> None:
        self.rng = random.Random(f"{split}/{seed}/{index}")
        rng = self.rng
        outdoor = rng.random() < 0.6
        # Streets are a little more frequent: most vehicles, shops and signs are there alone.
        self.setting = (
            rng.choices(voc.OUTDOOR, weights=(5, 7, 5, 4, 3))[0]
            if outdoor
            else rng.choice(voc.INDOOR)
        )
        self.outdoor = outdoor
        self.pitch = "eye level" if rng.random() < 0.6 else "from above"
        bright = outdoor and self.setting != "frozen lake"
        self.light = rng.choice(("left", "right", "soft")) if bright else "soft"
        self.variant = rng.randrange(2**31)
        self.back = SETTINGS[self.setting](self.pitch, self.variant)
        road = self.back.road is not None
        self.make = Clusters(rng, self.pitch, split == "test-unseen", self.setting, road)
        self.placed: list[list[Figure]] = []

    # Placement ---------------------------------------------------------------------------

    def _depth(self, zone: str) -> tuple[float, float]:
        """A random y in a zone of the backdrop, and its depth."""
        far, near = self.back.ground
        low, high = far + (0.4 if zone == "people" else 0.22) * (near - far), near
        if zone == "back":
            deep = 0.06 if self.pitch == "eye level" else 0.3
            low, high = self.back.limit, far + deep * (near - far)
            if self.setting == "frozen lake":  # on the far bank, not on the ice
                high = low + 5
        elif zone == "middle":
            low, high = far + 0.02 * (near - far), far + 0.45 * (near - far)
        elif zone == "road":
            low, high = self.back.road or self.back.ground
        elif zone == "water":
            low, high = self.back.water or self.back.ground
        y = self.rng.uniform(low, max(low, high))
        return y, (y - far) / (near - far)

    def place(self, zone: str, maker: Maker) -> bool:
        """Makes a cluster and puts it where it hides little; False if it fits nowhere."""
        rng, make = self.rng, self.make
        for _ in range(2):
            before = len(make.bonds)
            y, t = self._depth(zone)
            make.room = y - 14
            cluster = maker(t)
            x0, x1 = min(f.box[0] for f in cluster), max(f.box[2] for f in cluster)
            y0, y1 = min(f.box[1] for f in cluster), max(f.box[3] for f in cluster)
            y = min(y, SIZE - 6 - y1)
            fits = x1 - x0 < SIZE - 12 and y0 + y > 6
            fits = fits and sum(map(len, self.placed)) + len(cluster) <= _MOST
            for _ in range(18 if fits else 0):
                dx = rng.uniform(6 - x0, SIZE - 6 - x1)
                moved = [replace(f, x=f.x + dx, y=f.y + y) for f in cluster]
                if all(_apart(moved, other) for other in self.placed):
                    make.swap(cluster, moved)
                    self.placed.append(moved)
                    return True
            del make.bonds[before:]
        return False

    # Plans: what a scene is to show, the most important first ------------------------------

    def _outdoors(self) -> list[tuple[str, Maker]]:
        rng, make, setting = self.rng, self.make, self.setting
        plan: list[tuple[str, Maker]] = []
        if setting == "beach":
            plan += [("water", make.boat)] * rng.choice((0, 1, 1, 1, 2))
            plan += [("back", make.building)] * rng.choice((0, 0, 0, 1))
        else:
            pick = rng.random()
            if pick < 0.3:
                twin = make.fits("ladder") and rng.random() < 0.4
                plan.append(("back", make.twin_back if twin else make.leaning))
            plan += [("back", make.building)] * rng.choice((0, 1, 1, 2))
        if setting != "frozen lake" and rng.random() < 0.55:
            plan.append(("middle", make.landmark))
        if self.back.road:
            plan += [("road", make.vehicle)] * rng.choice((1, 1, 1, 2))
        return plan

    def _indoors(self) -> list[tuple[str, Maker]]:
        rng, make = self.rng, self.make
        plan: list[tuple[str, Maker]] = []
        pick = rng.random()
        if pick < 0.35:
            plan.append(("middle", make.laden_cabinet))
        elif pick < 0.5:
            plan.append(("middle", make.leaning))
        elif pick < 0.58:
            plan.append(("middle", make.twin_back))
        pick = rng.random()
        if pick < 0.25:
            plan.append(("people", make.diner))
        elif pick < 0.65:
            plan.append(("ground", make.laden))
        return plan

    def _people(self) -> list[tuple[str, Maker]]:
        rng, make = self.rng, self.make
        kinds: list[Maker] = [make.person, make.holder, make.holder]
        if make.fits("chair"):
            kinds.append(make.sitter)
        return [("people", rng.choice(kinds)) for _ in range(rng.choice((0, 1, 1, 2, 2, 2)))]

    def _rest(self) -> tuple[str, Maker]:
        rng, make = self.rng, self.make
        kinds: list[Maker] = [make.animal, make.piece, make.twin]
        weights = [3.5, 6.0, 2.0]
        if make.fits("chair"):
            kinds += [make.laden_chair, make.laden]
            weights += [0.7, 0.9]
        return "ground", rng.choices(kinds, weights=weights)[0]

    def run(self) -> None:
        """Places two to six clusters, as far as there is room."""
        rng = self.rng
        plan = self._outdoors() if self.outdoor else self._indoors()
        plan += self._people()
        if rng.random() < 0.34:
            plan.append(("ground", self.make.twin))
        rng.shuffle(plan)
        if rng.random() < 0.8:  # vehicles and boats find room only before all others
            plan.sort(key=lambda step: step[0] not in ("road", "water"))
        wanted = rng.choices((2, 3, 4, 5, 6), weights=(1, 2.5, 3.5, 2.5, 1))[0]
        plan = plan[:wanted]
        if not any(zone in ("people", "ground") for zone, _ in plan):  # no empty foreground
            plan[-1:] = [("people", self.make.holder)]
        while len(plan) < wanted + 2:
            plan.append(self._rest())
        for zone, maker in plan:
            if len(self.placed) >= wanted or sum(map(len, self.placed)) >= _MOST - 1:
                break
            self.place(zone, maker)


def sample_scene(split: str, seed: int, index: int) -> Scene:
    """The scene of a split, seed and index: the same on every machine.

    Args:
        split: one of SPLITS. Other splits are other random streams, so they share no scene;
            only test-unseen uses held-out combinations (see held_out).
        seed: any integer; other seeds draw other scenes of the split.
        index: 0-based number of the scene.

    Raises:
        ValueError: for an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    s = _Sampler(split, seed, index)
    while not s.placed:
        s.run()
    ordered = sorted(s.placed, key=_foot)
    figures = [f for c in ordered for f in c]
    where = {id(f): i for i, f in enumerate(figures)}
    bonds = tuple((where[id(a)], kind, where[id(b)]) for a, kind, b in s.make.bonds)
    return Scene(split, seed, index, s.setting, s.pitch, s.light, s.variant, tuple(figures), bonds)
