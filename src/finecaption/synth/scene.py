"""Scenes: what stands where, as a pure function of split, seed and index."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from finecaption.synth import vocabulary as voc
from finecaption.synth.art import DRAW, SETTINGS
from finecaption.synth.art.core import Drawing, Look

SIZE = 512  # pixels of the canvas, both ways
SPLITS = ("train", "val", "test", "test-unseen")

# Thin or hollow things and what fills about the same box: the pairs that a box cannot tell apart.
_TWINS = {
    "hoop": ("cat", "dog", "rabbit", "bush", "cactus", "flower", "vase", "boy", "girl", "ball"),
    "bicycle": ("horse", "car", "bush", "dog"),
    "ladder": ("tower", "tree", "cabinet", "man", "woman", "lamp", "house"),
}
_HELD = ("balloon", "umbrella", "flower", "book", "cup")
_BACKGROUND = ("building",)


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


class _Sampler:
    """Draws one scene; the state is the random stream and what was placed so far."""

    def __init__(self, split: str, seed: int, index: int) -> None:
        self.rng = random.Random(f"{split}/{seed}/{index}")
        self.want_unseen = split == "test-unseen"
        rng = self.rng
        outdoor = rng.random() < 0.58
        self.setting = rng.choice(voc.OUTDOOR if outdoor else voc.INDOOR)
        self.place = "outdoor" if outdoor else "indoor"
        self.pitch = "eye level" if rng.random() < 0.6 else "from above"
        bright = outdoor and self.setting != "frozen lake"
        self.light = rng.choice(("left", "right", "soft")) if bright else "soft"
        self.variant = rng.randrange(2**31)
        backdrop = SETTINGS[self.setting](self.pitch, self.variant)
        self.far, self.near = backdrop.ground
        self.clusters: list[list[Figure]] = []
        self.bonds: list[tuple[Figure, str, Figure]] = []
        self.count = 0

    # Looks -------------------------------------------------------------------------------

    def _fits(self, category: str) -> bool:
        return self.place in voc.CATEGORIES[category].places

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
            category=category, colour=str(colour), accent=rng.choice(accents),
            uid=f"u{self.count}", pitch=self.pitch,
            **{"variant": rng.randrange(2**31), **values},  # type: ignore[arg-type]  # each value is drawn from its own field's list
        )  # fmt: skip

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

    # Figures -----------------------------------------------------------------------------

    def figure(self, look: Look, height: float | None = None, grounded: bool = True) -> Figure:
        """A look drawn at a height in canvas pixels (random within the category's range)."""
        c = voc.CATEGORIES[look.category]
        h = height or self.rng.uniform(*c.height)
        if c.group == "person":  # by standing height: a sitting man is no giant
            tall = 200.0 if look.age == "child" else 280.0
        else:
            # An animal by its standing height too.
            upright = replace(look, pose="standing", state="awake") if look.coat else look
            box = DRAW[look.category](upright).box
            tall = box[3] - box[1]
        scale = h / tall
        look = replace(look, scale=scale)
        return Figure(look, DRAW[look.category](look), 0.0, 0.0, scale, grounded)

    def at(self, figure: Figure, anchor: str, x: float, y: float) -> Figure:
        """The figure moved so that its anchor lies on (x, y) of the cluster."""
        ax, ay = figure.drawing.anchors.get(anchor, (0.0, 0.0))
        return replace(figure, x=x - ax * figure.scale, y=y - ay * figure.scale)

    # Clusters: figures around a common origin on the ground, in painting order -------------

    def solo(self) -> list[Figure]:
        names = [
            n for n, c in voc.CATEGORIES.items()
            if self._fits(n) and "ground" in c.support and c.group != "person"
        ]  # fmt: skip
        name = self.rng.choice(names)
        if self.rng.random() < 0.15:
            name = self.rng.choice(("man", "woman", "boy", "girl"))
        return [self.figure(self.look(name))]

    def holder(self) -> list[Figure]:
        rng = self.rng
        pose = rng.choice(("standing", "standing", "walking", "waving"))
        name = rng.choice(("man", "woman", "boy", "girl"))
        facing = rng.choice(("front", "front", "left", "right", "back"))
        held = rng.choice(_HELD)
        look = self.look(name, pose=pose, state="idle", facing=facing, holding=held)
        person = self.figure(look)
        # An odd variant of a flower has no pot (art.plants.potted), an even one stands in one.
        fixed = {"variant": rng.randrange(2**30) * 2 + 1} if held == "flower" else {}
        thing = self.figure(self.look(held, **fixed), grounded=False)
        thing = self.at(thing, "grip", *person.point("hand"))
        self.bonds.append((person, "holding", thing))
        return [thing, person]  # the fist closes over the handle

    def sitter(self) -> list[Figure]:
        rng = self.rng
        facing = rng.choice(("front", "left", "right"))
        name = rng.choice(("man", "woman", "boy", "girl"))
        state = rng.choice(("idle", "reading", "drinking", "sleeping"))
        person = self.figure(self.look(name, pose="sitting", facing=facing, state=state))
        look = self.look("chair", facing=facing, state="empty")
        chair = self.figure(look)
        want = -person.drawing.anchors["seat"][1] * person.scale
        have = -chair.drawing.anchors["seat"][1] * chair.scale
        height = (chair.box[3] - chair.box[1]) * min(1.5, max(0.7, want / have))
        chair = self.figure(chair.look, height)
        chair = replace(chair, x=person.point("seat")[0] - chair.point("seat")[0], y=-2.0)
        self.bonds.append((person, "sitting on", chair))
        return [chair, person]

    def laden(self) -> list[Figure]:
        """A table with things on it, or a cat or a plant on a chair."""
        rng = self.rng
        if self.place == "outdoor" or rng.random() < 0.2:
            base = self.figure(self.look("chair", facing="front", state="empty"), 190)
            names = ["cat", "cactus", "vase", "flower"]
            spots = [base.point("seat")]
        else:
            base = self.figure(self.look("table"))
            names = ["vase", "cup", "bottle", "bowl", "book", "cactus", "flower", "cat"]
            cx, cy = base.point("surface")
            half = abs(base.drawing.anchors["surface_right"][0]) * base.scale
            k = rng.choice((1, 2, 2, 3))
            spots = [(cx + half * t, cy) for t in ((0,), (-0.5, 0.5), (-0.68, 0, 0.68))[k - 1]]
        out = [base]
        for (x, y), name in zip(spots, rng.sample(names, len(spots)), strict=True):
            low, high = voc.CATEGORIES[name].height
            look = self.look(name, variant=rng.randrange(2**30) * 2)
            thing = self.figure(look, rng.uniform(low, (low + high) / 2), False)
            if thing.box[2] - thing.box[0] > 110 and len(spots) > 1:
                continue
            thing = replace(thing, x=x + rng.uniform(-6, 6), y=y + rng.uniform(-1, 3))
            self.bonds.append((thing, "standing on", base))
            out.append(thing)
        return out

    def twin(self) -> list[Figure]:
        """Two things in one box, the front one thin or hollow."""
        rng = self.rng
        fronts = [f for f in _TWINS if self._fits(f)]
        front = rng.choice(fronts)
        back = rng.choice([b for b in _TWINS[front] if self._fits(b)])
        person = voc.CATEGORIES[back].group == "person"
        pose = {"pose": "standing", "state": "idle"} if person else {}
        b = self.figure(self.look(back, **pose))
        bx0, by0, bx1, by1 = b.box
        fixed = {"shape": rng.choice(("round", "square"))} if front == "hoop" else {}
        look = self.look(front, **fixed)
        f = self.figure(look, 100)
        width, height = f.box[2] - f.box[0], f.box[3] - f.box[1]
        ratio = math.sqrt((bx1 - bx0) / width * (by1 - by0) / height)
        if front == "hoop":
            ratio = max((bx1 - bx0) / width, (by1 - by0) / height) * 1.08
        f = self.figure(f.look, min(330.0, height * ratio))
        fx0, _, fx1, _ = f.box
        f = replace(f, x=(bx0 + bx1 - fx0 - fx1) / 2 + rng.uniform(-4, 4), y=rng.uniform(4, 10))
        if front == "hoop":
            self.bonds.append((f, "encircling", b))
        elif front == "ladder":
            self.bonds.append((f, "leaning on", b))
        return [b, f]

    # Placement ---------------------------------------------------------------------------

    def place_cluster(self, cluster: list[Figure]) -> bool:
        """Puts a cluster on the ground where it hides little; False if it fits nowhere."""
        rng = self.rng
        x0 = min(f.box[0] for f in cluster)
        x1 = max(f.box[2] for f in cluster)
        y0 = min(f.box[1] for f in cluster)
        back = voc.CATEGORIES[cluster[0].look.category].group in _BACKGROUND
        if x1 - x0 > SIZE - 12:
            return False
        for _ in range(14):
            dx = rng.uniform(6 - x0, SIZE - 6 - x1)
            span = self.near - self.far
            t = rng.uniform(0, 0.3) if back else rng.uniform(0.25, 1.0)
            dy = max(self.far + t * span, 8 - y0)
            if dy > self.near:
                return False
            moved = [replace(f, x=f.x + dx, y=f.y + dy) for f in cluster]
            others = [g for c in self.clusters for g in c]
            if all(self._clear(f, g) for f in moved for g in others):
                self._adopt(cluster, moved)
                return True
        return False

    @staticmethod
    def _clear(a: Figure, b: Figure) -> bool:
        """Whether the boxes overlap by less than a third of the smaller."""
        w = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
        h = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
        if w <= 0 or h <= 0:
            return True
        area = min((f.box[2] - f.box[0]) * (f.box[3] - f.box[1]) for f in (a, b))
        return w * h < 0.3 * area

    def _adopt(self, old: list[Figure], new: list[Figure]) -> None:
        swap = {id(o): n for o, n in zip(old, new, strict=True)}
        self.bonds = [(swap.get(id(a), a), k, swap.get(id(b), b)) for a, k, b in self.bonds]
        self.clusters.append(new)

    def run(self) -> None:
        rng = self.rng
        makers: list[Callable[[], list[Figure]]] = [
            self.solo, self.holder, self.sitter, self.laden, self.twin,
        ]  # fmt: skip
        weights = (8, 1.6, 1.3, 1.0 if self.place == "outdoor" else 3, 2.2)
        wanted = rng.choice((1, 2, 2, 3, 3, 4, 4))
        for _ in range(wanted * 2):
            maker = rng.choices(makers, weights=weights)[0]
            before = len(self.bonds)
            if not self.place_cluster(maker()):
                del self.bonds[before:]
            if len(self.clusters) >= wanted or sum(map(len, self.clusters)) >= 7:
                break


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
    while not s.clusters:
        s.run()
    ordered = sorted(s.clusters, key=lambda c: c[0].y)
    figures = [f for c in ordered for f in c]
    where = {id(f): i for i, f in enumerate(figures)}
    bonds = tuple((where[id(a)], kind, where[id(b)]) for a, kind, b in s.bonds)
    return Scene(split, seed, index, s.setting, s.pitch, s.light, s.variant, tuple(figures), bonds)
