"""What the drawn world is made of: categories and the values each attribute can take.

The single list from which scenes are sampled, pictures drawn, sentences written and answers
scored. Every value is a phrase in lower case that its sentences contain word for word.
"""

from __future__ import annotations

from dataclasses import dataclass

from finecaption.attributes import ATTRIBUTE_NAMES

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey",
)  # fmt: skip
VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
MATERIALS = ("wood", "metal", "glass", "ceramic", "fabric", "stone", "brick", "wicker")

# People.
POSES = ("standing", "sitting", "walking", "waving", "arms raised")
BUILDS = ("slim", "average", "broad")
EXPRESSIONS = ("happy", "sad", "surprised", "angry")
SKIN_TONES = ("pale", "tan", "brown", "dark")
SKIN_TEXTURES = ("smooth", "freckled", "wrinkled")  # wrinkled: the elderly, and only they
HAIR_STYLES = ("short", "long", "curly", "bun", "bald")
HAIR_COLOURS = ("black", "brown", "blond", "red", "grey")  # grey: the elderly, and only they
GARMENTS = ("coat", "dress", "overalls", "striped sweater", "t-shirt and shorts")
SHOES = ("boots", "sneakers", "sandals")
ACCESSORIES = ("hat", "scarf", "glasses", "bag", "no accessories")
AGES = ("child", "adult", "elderly")

# Animals.
ANIMAL_POSES = ("standing", "sitting", "lying down")
ANIMAL_BUILDS = ("slim", "plump")
COATS = ("plain", "striped", "spotted")
ANIMAL_COLOURS = ("brown", "black", "white", "grey", "orange")

WORDS = ("STOP", "OPEN", "CAFE", "BOOKS", "SALE", "PARK", "MILK", "TAXI", "ZOO", "ART")

FACINGS = ("front", "back", "left", "right")  # left and right: seen from the side, nose that way
PITCHES = ("eye level", "from above")  # of the camera, one a scene
EFFECTS = ("shadow to the left", "shadow to the right", "reflection", "glow", "no effect")
RELATIONS = ("to the left of", "to the right of", "in front of", "behind", "on", "inside", "under")

OUTDOOR = ("meadow", "street", "beach", "snow", "frozen lake")
INDOOR = ("living room", "kitchen", "gallery")

HIDDEN = "not visible"


@dataclass(frozen=True)
class Category:
    """One kind of thing.

    Attributes:
        name: singular noun, as sentences say it.
        group: person, animal, furniture, vessel, vehicle, building, plant, sign, prop, part.
        height: least and greatest drawn height in pixels of a 512-pixel canvas.
        colours, materials, shapes, states, facings: values it can take; empty where that
            attribute does not apply. A category without facings looks alike from every side.
        places: "outdoor", "indoor", or both.
        support: "ground", "surface" (also stands on tables) or "held" (also held in a hand).
        text: whether it carries a word.
    """

    name: str
    group: str
    height: tuple[int, int]
    colours: tuple[str, ...] = VIVID
    materials: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    facings: tuple[str, ...] = ()
    places: tuple[str, ...] = ("outdoor", "indoor")
    support: tuple[str, ...] = ("ground",)
    text: bool = False


_OUT = ("outdoor",)
_IN = ("indoor",)
_ANIMAL_STATES = ("awake", "sleeping", "eating")
_PERSON_STATES = ("idle", "reading", "drinking", "sleeping")

CATEGORIES: dict[str, Category] = {
    c.name: c
    for c in (
        Category("man", "person", (220, 330), COLOURS, states=_PERSON_STATES, facings=FACINGS),
        Category("woman", "person", (220, 330), COLOURS, states=_PERSON_STATES, facings=FACINGS),
        Category("boy", "person", (170, 240), COLOURS, states=_PERSON_STATES, facings=FACINGS),
        Category("girl", "person", (170, 240), COLOURS, states=_PERSON_STATES, facings=FACINGS),
        Category("cat", "animal", (90, 150), ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("front", "left", "right"), support=("ground", "surface")),
        Category("dog", "animal", (110, 180), ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("front", "left", "right")),
        Category("rabbit", "animal", (90, 140), ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("front", "left", "right")),
        Category("horse", "animal", (170, 250), ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("left", "right"), places=_OUT),
        Category("chair", "furniture", (130, 200), COLOURS, ("wood", "metal", "fabric", "wicker"),
                 ("round-backed", "square-backed"), ("empty", "cushioned"), FACINGS),
        Category("table", "furniture", (110, 160), COLOURS, ("wood", "metal", "glass", "stone"),
                 ("round", "rectangular"), ("bare", "covered with a cloth"), places=_IN),
        Category("lamp", "furniture", (150, 260), COLOURS, ("metal", "ceramic", "wood"),
                 ("cone-shaped", "dome-shaped"), ("switched on", "switched off"), places=_IN),
        Category("cabinet", "furniture", (160, 250), COLOURS, ("wood", "metal", "wicker"),
                 ("tall", "wide"), ("open", "closed"), places=_IN),
        Category("vase", "vessel", (80, 140), COLOURS, ("ceramic", "glass", "metal", "stone"),
                 ("round", "tall", "square"), ("empty", "filled with flowers"),
                 support=("ground", "surface")),
        Category("cup", "vessel", (55, 85), COLOURS, ("ceramic", "metal", "wood"),
                 ("round", "tall", "square"), ("empty", "steaming"), support=("surface", "held")),
        Category("bottle", "vessel", (80, 130), COLOURS, ("glass", "metal", "ceramic"),
                 ("round", "tall", "square"), ("corked", "open"), support=("surface",)),
        Category("bowl", "vessel", (55, 90), COLOURS, ("ceramic", "wood", "wicker", "glass"),
                 ("round", "wide", "square"), ("empty", "full of fruit"), support=("surface",)),
        Category("car", "vehicle", (110, 160), COLOURS, ("metal", "wood"), ("boxy", "rounded"),
                 ("parked", "moving"), ("front", "left", "right"), _OUT),
        Category("bus", "vehicle", (140, 200), COLOURS, ("metal", "wood"), ("boxy", "rounded"),
                 ("parked", "moving"), ("front", "left", "right"), _OUT, text=True),
        Category("bicycle", "vehicle", (120, 170), COLOURS, ("metal", "wood"), (),
                 ("parked", "moving"), ("left", "right"), _OUT),
        Category("boat", "vehicle", (120, 200), COLOURS, ("wood", "metal"), ("boxy", "rounded"),
                 ("sail raised", "sail lowered"), ("left", "right"), _OUT),
        Category("house", "building", (190, 270), COLOURS, ("brick", "stone", "wood"),
                 ("pointed", "flat", "domed"), ("lit windows", "dark windows"), places=_OUT),
        Category("tower", "building", (250, 340), COLOURS, ("brick", "stone", "wood"),
                 ("pointed", "flat", "domed"), ("lit windows", "dark windows"), places=_OUT),
        Category("shop", "building", (170, 240), COLOURS, ("brick", "stone", "wood"),
                 ("pointed", "flat"), ("lit windows", "dark windows"), places=_OUT, text=True),
        Category("tree", "plant", (200, 330), ("green", "orange", "yellow", "pink"), (),
                 ("round", "cone-shaped"), ("leafy", "bare", "bearing fruit"), places=_OUT),
        Category("bush", "plant", (80, 140), ("green", "orange", "yellow"), (),
                 ("round", "square"), ("leafy", "in bloom"), places=_OUT),
        Category("cactus", "plant", (90, 170), ("green", "blue"), (), ("round", "branched"),
                 ("in bloom", "not in bloom"), support=("ground", "surface")),
        Category("flower", "plant", (90, 150), VIVID + ("white",), (), ("round", "star-shaped"),
                 ("in bloom", "wilted"), support=("ground", "surface", "held")),
        Category("sign", "sign", (130, 220), COLOURS, ("wood", "metal"),
                 ("round", "square", "triangular"), ("clean", "cracked"), text=True),
        Category("ball", "prop", (60, 110), COLOURS, ("fabric", "wood", "metal", "glass"),
                 ("round",), ("resting", "bouncing")),
        Category("balloon", "prop", (110, 170), VIVID + ("white",), (), ("round", "heart-shaped"),
                 ("floating",), support=("held",)),
        Category("umbrella", "prop", (110, 180), COLOURS, ("fabric", "glass"), (),
                 ("open", "closed"), support=("ground", "held")),
        Category("book", "prop", (55, 80), COLOURS, ("fabric",), ("rectangular",),
                 ("open", "closed"), support=("surface", "held")),
        Category("hoop", "prop", (130, 260), COLOURS, ("wood", "metal"), ("round", "square"), ()),
        Category("ladder", "prop", (200, 320), COLOURS, ("wood", "metal"), (), ("upright",)),
    )
}  # fmt: skip

# Regions inside an entity, with masks and captions of their own.
PARTS: dict[str, str] = {
    "hat": "person", "scarf": "person", "bag": "person",
    "flowers": "vessel", "roof": "building", "wheels": "vehicle", "shade": "furniture",
}  # fmt: skip

MOVING = ("walking", "waving", "arms raised")  # poses that also tell what a person does

# Of these categories the shape is that of one part: "a house with a flat roof".
SHAPED_PARTS = {
    "house": "roof", "tower": "roof", "shop": "roof", "lamp": "shade", "table": "top",
    "tree": "crown", "car": "body", "bus": "body", "boat": "hull",
}  # fmt: skip
PART_MATERIALS = dict.fromkeys(("hat", "scarf", "bag", "shade"), ("fabric",))

_ALWAYS = (
    "One-Sentence Description", "Category Name", "Color", "Camera Viewpoint",
    "Interaction with Other Objects", "Relative Location with Other Objects", "Visible Text",
)  # fmt: skip
_PEOPLE_ONLY = ("Facial Expression", "Hair", "Clothing Shoes Accessories", "Age Range")
_ANIMATE_ONLY = ("Body Pose/Gesture", "Body Shape", "Skin Texture and Color")


def part_shapes(part: str) -> tuple[str, ...]:
    """The shapes that a part can have: a roof's are those of the houses; empty where none apply."""
    if part == "wheels":
        return ("round",)
    shapes = (CATEGORIES[name].shapes for name, own in SHAPED_PARTS.items() if own == part)
    return tuple(dict.fromkeys(s for group in shapes for s in group))


def applicable(category: str) -> tuple[str, ...]:
    """The attributes that a region of this category can be asked for, in the order of all 18.

    Every other attribute is refused (`inapplicable`); there is nothing in between. A single region
    may still lack the value of an applicable attribute, where it is only partly in view.

    Args:
        category: of CATEGORIES, or a part name.
    """
    c = CATEGORIES.get(category)
    if c is None:
        own = {
            "Materials/Texture": PART_MATERIALS.get(category, ()),
            "Shape": part_shapes(category),
        }
    else:
        own = {
            "Materials/Texture": c.materials,
            "Shape": c.shapes,
            "State or Activity": c.states,
            "Associative Visual Effect": EFFECTS,
            **dict.fromkeys(_PEOPLE_ONLY, (c.group,) if c.group == "person" else ()),
            **dict.fromkeys(_ANIMATE_ONLY, (c.group,) if c.group in ("person", "animal") else ()),
        }
    return tuple(name for name in ATTRIBUTE_NAMES if name in _ALWAYS or own.get(name))


def inapplicable(category: str) -> tuple[str, ...]:
    """The attributes that mean nothing for a region of this category: the hair of a car.

    Args:
        category: of CATEGORIES, or a part name.
    """
    known = applicable(category)
    return tuple(name for name in ATTRIBUTE_NAMES if name not in known)
