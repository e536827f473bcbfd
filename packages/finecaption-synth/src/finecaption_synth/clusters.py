"""Clusters: one to six figures that belong together, around a common origin on the ground."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from finecaption_synth import vocabulary as voc
from finecaption_synth.figures import Figure
from finecaption_synth.looks import PEOPLE, Artist
from finecaption_synth.sizes import pixels

# Thin or hollow things and what fills about the same box: the pairs that a box cannot tell apart.
TWINS = {
    "hoop": ("cat", "dog", "rabbit", "cactus", "flower", "vase", "boy", "girl", "ball"),
    "bicycle": ("bush",),
    "ladder": ("tower", "tree", "house", "cabinet"),
}
_HELD = ("balloon", "umbrella", "flower", "book", "cup")  # the last is tried last
_LEANS = {
    "ladder": ("tree", "house", "tower", "cabinet"),
    "umbrella": ("tree", "house", "cabinet", "chair", "table"),
}
# Meters of what stands on a table or a seat, where that is not the category's own size.
_SMALL = {"lamp": 0.55, "flower": 0.42, "cactus": 0.34}
_LANDMARKS = ("horse", "sign", "sign", "bush")
_FLOOR = {"vase": 0.75}  # and on the floor
_ON_TABLES = ("vase", "cup", "bottle", "bowl", "book", "cactus", "lamp")
_ON_CABINETS = ("vase", "bottle", "bowl", "book", "cactus", "flower", "lamp", "cat")
_ON_CHAIRS = ("cat", "book", "flower", "cactus")


class Clusters(Artist):
    """Makes clusters for one setting; every bond between their figures is noted in ``bonds``."""

    def __init__(
        self, rng: random.Random, pitch: str, want_unseen: bool, setting: str, road: bool
    ) -> None:
        super().__init__(rng, pitch, want_unseen)
        self.setting = setting
        self.road = road
        self.room = 512.0  # pixels above the ground line of the cluster that is being made
        self.bonds: list[tuple[Figure, str, Figure]] = []

    def fits(self, category: str) -> bool:
        """Whether a category stands on the ground here."""
        c = voc.CATEGORIES[category]
        if category in ("car", "bus") and not self.road:
            return False
        return self.setting in c.settings

    def names(self, *groups: str) -> list[str]:
        """Categories of these groups that stand on the ground here."""
        return [n for n, c in voc.CATEGORIES.items() if c.group in groups and self.fits(n)]

    # Single things -------------------------------------------------------------------------

    def thing(self, name: str, t: float, **fixed: object) -> Figure:
        """A thing of this category as it stands on the ground here."""
        if name in ("flower", "cactus"):  # an odd variant grows from the ground
            fixed["variant"] = self.variant(self.setting in ("meadow", "beach"))
        if name == "lamp":
            fixed["variant"] = self.variant(True)
        if name == "umbrella":  # on the ground a folded one would have to lean
            fixed |= {"variant": self.variant(False), "state": "open"}
        if name == "ladder":
            fixed.setdefault("state", "unfolded")
        if name == "chair":
            fixed.setdefault("facing", self.rng.choice(("front", "front", "left", "right", "back")))
        figure = self.figure(self.look(name, **fixed), t, meters=_FLOOR.get(name))
        height = figure.box[3] - figure.box[1]
        if height > self.room and voc.CATEGORIES[name].group in ("building", "plant"):
            figure = self.figure(figure.look, t, height=self.room)  # farther away than it seems
        return figure

    def building(self, t: float) -> list[Figure]:
        """A building or a tree, far away."""
        names = self.names("building") + [n for n in ("tree", "tree") if self.fits(n)]
        return [self.thing(self.rng.choice(names), t)]

    def landmark(self, t: float) -> list[Figure]:
        """A horse, a sign or a bush, which need more room than other things."""
        return [self.thing(self.rng.choice([n for n in _LANDMARKS if self.fits(n)]), t)]

    def vehicle(self, t: float) -> list[Figure]:
        """A vehicle on a road."""
        return [self.thing(self.rng.choice([n for n in self.names("vehicle") if n != "boat"]), t)]

    def boat(self, t: float) -> list[Figure]:
        """A boat on the water: it casts no shadow on it."""
        return [replace(self.thing("boat", t), grounded=False)]

    def animal(self, t: float) -> list[Figure]:
        """An animal."""
        return [self.thing(self.rng.choice(self.names("animal")), t)]

    def piece(self, t: float) -> list[Figure]:
        """Anything else that stands here by itself."""
        groups = ("furniture", "vessel", "plant", "sign", "prop")
        names = [n for n in self.names(*groups) if n not in ("tree", "hoop", "cabinet")]
        names += ["bicycle"] if self.fits("bicycle") else []
        return [self.thing(self.rng.choice(names), t)]

    # People --------------------------------------------------------------------------------

    def person(self, t: float) -> list[Figure]:
        """Someone who stands or walks."""
        return [self.figure(self.look(self.rng.choice(PEOPLE)), t)]

    def holder(self, t: float) -> list[Figure]:
        """Someone who holds something."""
        rng = self.rng
        pose = rng.choice(("standing", "standing", "walking", "waving"))
        facing = rng.choice(("front", "front", "left", "right", "back"))
        look = self.look(rng.choice(PEOPLE), pose=pose, state="idle", facing=facing)
        for held in rng.sample(_HELD, len(_HELD)):
            before = self.count
            person = self.figure(replace(look, holding=held), t)
            thing = self._held(person, held, t)
            if held == _HELD[-1] or not self._behind(person, thing):
                break
            self.count = before
        self.bonds.append((person, "holding", thing))
        return [thing, person]  # the fist closes over the handle

    def _held(self, person: Figure, name: str, t: float) -> Figure:
        """A thing of this category in the person's hand."""
        hand = person.point("hand")
        # An odd variant of a flower has no pot, one of an umbrella is drawn as it is held.
        fixed: dict[str, object] = {}
        if name in ("flower", "umbrella"):
            fixed["variant"] = self.variant(True)
        meters = 0.45 if name == "flower" else None
        thing = self.figure(self.look(name, **fixed), t, meters=meters, grounded=False)
        if name == "umbrella":
            thing = self._umbrella(person, thing)
        return self.at(thing, "grip", *hand)

    def _umbrella(self, person: Figure, umbrella: Figure) -> Figure:
        """A folded umbrella is held like a cane, its tip on the ground, an open one overhead."""
        _, y0, _, y1 = person.box
        hand = person.point("hand")[1]
        rise, tall = -hand, y1 - y0
        if umbrella.look.state == "closed" and not 0.22 * tall < rise < 0.6 * tall:
            umbrella = self.figure(
                replace(umbrella.look, state="open"), 0, height=100, grounded=False
            )
        spots, box = umbrella.drawing.anchors, umbrella.drawing.box
        if umbrella.look.state == "closed":
            scale = rise / -spots["grip"][1]
        else:
            scale = 1.02 * (hand - y0) / (spots["grip"][1] - spots["rim"][1])
        height = scale * (box[3] - box[1])
        return self.figure(umbrella.look, 0, height=height, grounded=False)

    @staticmethod
    def _behind(person: Figure, thing: Figure) -> bool:
        """Whether much of what someone holds is in the same place as the head or the trunk."""
        x0, y0, x1, y1 = person.box
        tall, mid = y1 - y0, (x0 + x1) / 2
        tx0, ty0, tx1, ty1 = thing.box
        most = 0.2 * (tx1 - tx0) * (ty1 - ty0)

        def shared(half: float, top: float, bottom: float) -> float:
            wide = min(tx1, mid + half) - max(tx0, mid - half)
            high = min(ty1, bottom) - max(ty0, top)
            return max(0.0, wide) * max(0.0, high)

        neck = y0 + 0.34 * tall
        return shared(0.17 * tall, y0, neck) > most or shared(0.1 * tall, neck, y1) > 2 * most

    def sitter(self, t: float) -> list[Figure]:
        """Someone on a chair."""
        return self._seated(t, self.rng.choice(("front", "left", "right")))

    def _seated(self, t: float, facing: str) -> list[Figure]:
        rng = self.rng
        state = rng.choice(("idle", "reading", "drinking", "sleeping"))
        look = self.look(rng.choice(PEOPLE), pose="sitting", facing=facing, state=state)
        person = self.figure(look, t)
        chair = self.figure(self.look("chair", facing=facing, state="empty"), t)
        want = -person.drawing.anchors["seat"][1] * person.scale
        have = -chair.drawing.anchors["seat"][1] * chair.scale
        height = (chair.box[3] - chair.box[1]) * want / have
        chair = self.figure(chair.look, t, height=height)
        chair = replace(chair, x=person.point("seat")[0] - chair.point("seat")[0], y=-2.0)
        self.bonds.append((person, "sitting on", chair))
        return [chair, person]

    # Things on things ------------------------------------------------------------------------

    def _load(self, base: Figure, t: float, names: tuple[str, ...], most: int) -> list[Figure]:
        """Up to ``most`` things side by side on the surface of a table, cabinet or chair."""
        rng = self.rng
        anchors = base.drawing.anchors
        x, y = base.point("surface" if "surface" in anchors else "seat")
        half = 0.5 * (base.box[2] - base.box[0]) * (0.86 if most > 1 else 0.5)
        left = x - half
        out: list[Figure] = []
        chosen = rng.sample(names, min(most, len(names)))
        for name in chosen:
            look = self.look(name, variant=self.variant(False))
            meters = _SMALL.get(name, voc.CATEGORIES[name].size * rng.uniform(0.9, 1.1))
            thing = self.figure(look, t, meters=meters, grounded=False)
            wide = thing.box[2] - thing.box[0]
            if out and left + wide > x + half:
                continue
            out.append(replace(thing, x=left - thing.box[0], y=y + rng.uniform(-1, 3)))
            left += wide + rng.uniform(4, 12)
        # What is left of the room goes between them.
        spare = max(0.0, x + half - left) if most > 1 else 0.0
        alone = x - (out[0].box[0] + out[0].box[2]) / 2
        shifts = [spare * (k + rng.random()) / len(out) for k in range(len(out))]
        out = [
            replace(f, x=f.x + (alone if len(out) == 1 else s))
            for f, s in zip(out, shifts, strict=True)
        ]
        self.bonds += [(f, "standing on", base) for f in out]
        return out

    def laden(self, t: float) -> list[Figure]:
        """A table with things on it."""
        base = self.thing("table", t)
        names = tuple(n for n in _ON_TABLES if n != "lamp" or self.fits("lamp"))
        return [base, *self._load(base, t, names, self.rng.choice((1, 2, 3, 3, 4)))]

    def laden_cabinet(self, t: float) -> list[Figure]:
        """A cabinet with things on it."""
        base = self.thing("cabinet", t)
        most = self.rng.choice((1, 2, 3)) if base.look.shape == "wide" else 1
        return [base, *self._load(base, t, _ON_CABINETS, most)]

    def laden_chair(self, t: float) -> list[Figure]:
        """A chair with a cat or a thing on its seat."""
        base = self.thing("chair", t, facing="front", state="empty")
        return [base, *self._load(base, t, _ON_CHAIRS, 1)]

    def diner(self, t: float) -> list[Figure]:
        """Someone on a chair at a laden table."""
        facing = self.rng.choice(("left", "right"))
        chair, person = self._seated(t, facing)
        base, *things = self.laden(t)
        side = 1 if facing == "right" else -1
        edge = person.box[2] if side > 0 else person.box[0]
        near = base.box[0] if side > 0 else base.box[2]
        shift = edge - near - side * 0.12 * (person.box[2] - person.box[0])
        moved = [replace(f, x=f.x + shift, y=f.y + 5) for f in (base, *things)]
        self.swap([base, *things], moved)
        return [chair, person, *moved]

    def swap(self, old: list[Figure], new: list[Figure]) -> None:
        """Has the bonds of old figures join their new versions."""
        to = {id(o): n for o, n in zip(old, new, strict=True)}
        self.bonds = [(to.get(id(a), a), k, to.get(id(b), b)) for a, k, b in self.bonds]

    # Things before things ----------------------------------------------------------------------

    def leaning(self, t: float) -> list[Figure]:
        """A ladder or a folded umbrella against something upright."""
        rng = self.rng
        pairs = [(f, b) for f, backs in _LEANS.items() for b in backs if self.fits(b)]
        front, back = rng.choice(pairs)
        base = self.thing(back, t)
        look = self.look(
            front, variant=self.variant(False), state="leaning" if front == "ladder" else "closed"
        )
        if front == "ladder":
            height = (base.box[3] - base.box[1]) * rng.uniform(0.8, 0.98)
            f = self.figure(look, t, height=max(height, pixels(1.6, t)))
        else:
            f = self.figure(look, t)
        head = f.point("head")[0]
        x0, _, x1, _ = base.box
        # The head rests on the base, the foot stands to the side from which it leans.
        to = (x0 + x1) / 2 + rng.uniform(-0.12, 0.12) * (x1 - x0)
        if front == "umbrella" and back != "tree":
            to = x0 + 4 if head > 0 else x1 - 4
        f = replace(f, x=to - head, y=rng.uniform(4, 9))
        self.bonds.append((f, "leaning on", base))
        return [base, f]

    def twin(self, t: float) -> list[Figure]:
        """Two things in one box, the front one a hoop or a bicycle."""
        return self._twin(t, "hoop", "bicycle")

    def twin_back(self, t: float) -> list[Figure]:
        """A ladder that fills about the box of what it leans on."""
        return self._twin(t, "ladder")

    def _twin(self, t: float, *fronts: str) -> list[Figure]:
        rng = self.rng
        pairs = {f: [b for b in TWINS[f] if self.fits(b)] for f in fronts if self.fits(f)}
        front = rng.choice([f for f, backs in pairs.items() if backs])
        back = rng.choice(pairs[front])
        fixed: dict[str, object] = {}
        if voc.CATEGORIES[back].group == "person":
            fixed = {"pose": "standing", "state": "idle"}
        if back == "ball":
            fixed = {"state": "resting"}
        b = self.thing(back, t, **fixed)
        bx0, by0, bx1, by1 = b.box
        wanted: dict[str, object] = {"state": "leaning"} if front == "ladder" else {}
        look = self.look(front, **wanted)
        f = self.figure(look, t, height=100)
        width, height = f.box[2] - f.box[0], f.box[3] - f.box[1]
        ratio = math.sqrt((bx1 - bx0) / width * (by1 - by0) / height)
        if front == "hoop":
            ratio = max((bx1 - bx0) / width, (by1 - by0) / height) * 1.08
        elif front == "ladder":
            ratio = min(ratio, 1.04 * (by1 - by0) / height, 1.06 * self.room / height)
        f = self.figure(f.look, t, height=height * ratio)
        fx0, _, fx1, _ = f.box
        jitter = rng.uniform(-0.02, 0.02) * (fx1 - fx0)
        f = replace(f, x=(bx0 + bx1 - fx0 - fx1) / 2 + jitter, y=rng.uniform(4, 9))
        if front == "hoop":
            self.bonds.append((f, "encircling", b))
        elif front == "ladder":
            self.bonds.append((f, "leaning on", b))
        return [b, f]
