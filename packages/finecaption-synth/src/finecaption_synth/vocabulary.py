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
        size: height of a typical one in meters (of an animal, standing; of an adult person);
            sizes.py makes pixels of it.
        colours, materials, shapes, states, facings: values it can take; empty where that
            attribute does not apply. A category without facings looks alike from every side.
        settings: where it stands on the ground by itself; empty for what is only held or stood
            on something.
        text: whether it carries a word.
    """

    name: str
    group: str
    size: float
    colours: tuple[str, ...] = VIVID
    materials: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    facings: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    text: bool = False


_ANYWHERE = OUTDOOR + INDOOR
_LAND = ("meadow", "snow", "frozen lake")  # things on the lake's far bank count as on the lake
_HOME = ("living room", "kitchen")
_SEATED = (*INDOOR, "meadow", "beach")  # where people put tables and chairs
_ANIMAL_STATES = ("awake", "sleeping", "eating")
_PERSON_STATES = ("idle", "reading", "drinking", "sleeping")

CATEGORIES: dict[str, Category] = {
    c.name: c
    for c in (
        Category("man", "person", 1.78, COLOURS, states=_PERSON_STATES, facings=FACINGS,
                 settings=_ANYWHERE),
        Category("woman", "person", 1.7, COLOURS, states=_PERSON_STATES, facings=FACINGS,
                 settings=_ANYWHERE),
        Category("boy", "person", 1.2, COLOURS, states=_PERSON_STATES, facings=FACINGS,
                 settings=_ANYWHERE),
        Category("girl", "person", 1.2, COLOURS, states=_PERSON_STATES, facings=FACINGS,
                 settings=_ANYWHERE),
        Category("cat", "animal", 0.38, ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("front", "left", "right"), settings=_ANYWHERE),
        Category("dog", "animal", 0.62, ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("front", "left", "right"), settings=_ANYWHERE),
        Category("rabbit", "animal", 0.36, ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("front", "left", "right"),
                 settings=("meadow", "snow", "frozen lake", "living room", "gallery")),
        Category("horse", "animal", 1.8, ANIMAL_COLOURS, states=_ANIMAL_STATES,
                 facings=("left", "right"), settings=("meadow", "snow", "beach", "street")),
        Category("chair", "furniture", 0.95, COLOURS, ("wood", "metal", "fabric", "wicker"),
                 ("round-backed", "square-backed"), ("empty", "cushioned"), FACINGS, _SEATED),
        Category("table", "furniture", 0.75, COLOURS, ("wood", "metal", "stone"),
                 ("round", "rectangular"), ("bare", "covered with a cloth"), settings=_SEATED),
        Category("lamp", "furniture", 1.55, COLOURS, ("metal", "ceramic", "wood"),
                 ("cone-shaped", "dome-shaped"), ("switched on", "switched off"), settings=INDOOR),
        Category("cabinet", "furniture", 1.5, COLOURS, ("wood", "metal"),
                 ("tall", "wide"), ("open", "closed"), settings=INDOOR),
        Category("vase", "vessel", 0.36, COLOURS, ("ceramic", "glass", "metal", "stone"),
                 ("round", "tall", "square"), ("empty", "filled with flowers"), settings=INDOOR),
        Category("cup", "vessel", 0.11, COLOURS, ("ceramic", "metal", "wood"),
                 ("round", "tall", "square"), ("empty", "steaming")),
        Category("bottle", "vessel", 0.32, COLOURS, ("glass", "metal", "ceramic"),
                 ("round", "tall", "square"), ("corked", "open")),
        Category("bowl", "vessel", 0.15, COLOURS, ("ceramic", "wood", "wicker", "glass"),
                 ("round", "wide", "square"), ("empty", "full of fruit")),
        Category("car", "vehicle", 1.5, COLOURS, ("metal",), ("boxy", "rounded"),
                 ("parked", "moving"), ("front", "left", "right"), ("street", "meadow", "snow")),
        Category("bus", "vehicle", 2.7, COLOURS, ("metal",), ("boxy", "rounded"),
                 ("parked", "moving"), ("front", "left", "right"), ("street", "meadow", "snow"),
                 text=True),
        Category("bicycle", "vehicle", 1.05, COLOURS, ("metal",), (),
                 ("parked", "moving"), ("left", "right"), ("street", "meadow", "snow")),
        Category("boat", "vehicle", 2.4, COLOURS, ("wood", "metal"), ("boxy", "rounded"),
                 ("sail raised", "sail lowered"), ("left", "right"), ("beach",)),
        Category("house", "building", 5.0, COLOURS, ("brick", "stone", "wood"),
                 ("pointed", "flat", "domed"), ("lit windows", "dark windows"),
                 settings=(*_LAND, "street")),
        Category("tower", "building", 7.5, COLOURS, ("brick", "stone", "wood"),
                 ("pointed", "flat", "domed"), ("lit windows", "dark windows"),
                 settings=(*_LAND, "street", "beach")),
        Category("shop", "building", 4.4, COLOURS, ("brick", "stone", "wood"),
                 ("pointed", "flat"), ("lit windows", "dark windows"),
                 settings=("street", "beach", "snow"), text=True),
        Category("tree", "plant", 4.5, ("green", "orange", "yellow", "pink"), (),
                 ("round", "cone-shaped"), ("leafy", "bare", "bearing fruit"),
                 settings=(*_LAND, "street")),
        Category("bush", "plant", 1.1, ("green", "orange", "yellow"), (),
                 ("round", "square"), ("leafy", "in bloom"), settings=("meadow", "snow", "street")),
        Category("cactus", "plant", 0.8, ("green", "blue"), (), ("round", "branched"),
                 ("in bloom", "not in bloom"), settings=("beach", *INDOOR)),
        Category("flower", "plant", 0.62, VIVID + ("white",), (), ("round", "star-shaped"),
                 ("in bloom", "wilted"), settings=("meadow", "street", *INDOOR)),
        Category("sign", "sign", 1.75, COLOURS, ("wood", "metal"),
                 ("round", "square", "triangular"), ("clean", "cracked"),
                 settings=("meadow", "street", "beach", "snow"), text=True),
        Category("ball", "prop", 0.25, COLOURS, ("fabric", "wood", "metal"),
                 ("round",), ("resting", "bouncing"), settings=_ANYWHERE),
        Category("balloon", "prop", 1.45, VIVID + ("white",), (), ("round", "heart-shaped"),
                 ("floating",)),
        Category("umbrella", "prop", 1.0, COLOURS, ("fabric",), (),
                 ("open", "closed"), settings=("meadow", "beach", "snow", "street")),
        Category("book", "prop", 0.27, COLOURS, ("fabric",), ("rectangular",),
                 ("open", "closed")),
        Category("hoop", "prop", 0.95, COLOURS, ("wood", "metal"), ("round", "square"), (),
                 settings=_ANYWHERE),
        Category("ladder", "prop", 1.9, COLOURS, ("wood", "metal"), (), ("leaning", "unfolded"),
                 settings=("meadow", "street", "snow", *INDOOR)),
    )
}  # fmt: skip

# Regions inside an entity, with masks and captions of their own.
PARTS: dict[str, str] = {
    "hat": "person",
    "scarf": "person",
    "bag": "person",
    "flowers": "vessel",
    "roof": "building",
    "wheels": "vehicle",
    "shade": "furniture",
}

MOVING = ("walking", "waving", "arms raised")  # poses that also tell what a person does
OCCUPIED = "occupied"  # the state of a chair with someone or something on it

# Of these categories the shape is that of one part: "a house with a flat roof".
SHAPED_PARTS = {
    "house": "roof",
    "tower": "roof",
    "shop": "roof",
    "lamp": "shade",
    "table": "top",
    "tree": "crown",
    "car": "body",
    "bus": "body",
    "boat": "hull",
}
PART_MATERIALS = dict.fromkeys(("hat", "scarf", "bag", "shade"), ("fabric",))

_ALWAYS = (
    "One-Sentence Description",
    "Category Name",
    "Color",
    "Camera Viewpoint",
    "Interaction with Other Objects",
    "Relative Location with Other Objects",
    "Visible Text",
)
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
