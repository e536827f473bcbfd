"""Wording of the drawn world's captions: sentence patterns, and words that mean a value.

Patterns are filled by `str.format` with the fields of sentences.Voice: ``{The}`` "The man",
``{a}`` "a man", ``{He}``, ``{him}``, ``{his}``, ``{This}`` "This man", ``{is_}``, ``{has}``,
``{s}`` the ending of a verb, and ``{v}``, the value.
"""

from __future__ import annotations

NOT_APPLICABLE = "not applicable"

DESCRIPTION = (
    "{A_thing}.",
    "{This_is} {a_thing}.",
    "The image shows {a_thing}.",
    "We see {a_thing} here.",
)
CATEGORY = ("{A}.", "{This_is} {a}.", "{He} {is_} {a}.", "The image shows {a}.")
POSE = ("{The} {is_} {v}.", "{He} {is_} {v}.", "{This} {noun} {is_} {v}.", "We see {him} {v}.")
ARMS_RAISED = (
    "{The} {has} {his} arms raised.",
    "{He} {has} both arms raised.",
    "{This} {noun} {has} {his} arms raised.",
    "We see {him} with {his} arms raised.",
)
PERSON_BUILD = (
    "{The} {has} {an_v} build.",
    "{He} {has} {an_v} build.",
    "{His} build is {v}.",
    "{He} {is_} of {v} build.",
)
ANIMAL_BUILD = (
    "{The} {has} {an_v} body.",
    "{He} {has} {an_v} body.",
    "{His} body is {v}.",
    "{The} {is_} {v}.",
)
EXPRESSION = (
    "{The} look{s} {v}.",
    "{He} look{s} {v}.",
    "{He} {has} {an_v} expression.",
    "{His} face is {v}.",
)
CLOTHES = (  # {tail}: ", with no accessories", ", and carries a bag"
    "{The} wear{s} {v}{tail}.",
    "{He} wear{s} {v}{tail}.",
    "{The} {is_} wearing {v}{tail}.",
    "{He} {is_} wearing {v}{tail}.",
)
ACCESSORY = ("{The} {has} {v}.", "{He} {has} {v}.", "We see {him} with {v}.")
AGE_NOUN = (  # child, adult
    "{The} {is_} {an_v}.",
    "{He} {is_} {an_v}.",
    "{He} look{s} like {an_v}.",
    "{This} {noun} {is_} {an_v}.",
)
AGE_ADJECTIVE = (  # elderly
    "{The} {is_} {v}.",
    "{He} {is_} {v}.",
    "{He} look{s} {v}.",
    "{This} {noun} {is_} {v}.",
)
COLOUR = (
    "{The} {is_} {v}.",
    "{He} {is_} {v}.",
    "{His} color is {v}.",
    "{His} main color is {v}.",
)
PERSON_COLOUR = (
    "{The} {is_} dressed in {v}.",
    "{He} {is_} dressed in {v}.",
    "{The} wear{s} {v}.",
    "{His} clothes are mainly {v}.",
)
MATERIAL = (
    "{The} {is_} made of {v}.",
    "{He} {is_} made of {v}.",
    "{This} {noun} {is_} made of {v}.",
    "{His} material is {v}.",
)
BOUND = (  # books
    "{The} {is_} bound in {v}.",
    "{He} {is_} bound in {v}.",
    "{This} {noun} {is_} bound in {v}.",
    "{His} cover is made of {v}.",
)
SHAPE = ("{The} {is_} {v}.", "{He} {is_} {v}.", "{This_is} {v_noun}.", "{This} {noun} {is_} {v}.")
SHAPE_OF_PART = (  # {part}: "roof"
    "{The} {has} {an_v} {part}.",
    "{He} {has} {an_v} {part}.",
    "{His} {part} is {v}.",
    "We see {his} {v} {part}.",
)

# Camera Viewpoint. {at}: "at eye level" or "from above".
VIEW = (
    "{The} {is_} seen {at}.",
    "{He} {is_} viewed {at}.",
    "The camera sees {him} {at}.",
    "{This} {noun} {is_} seen {at}.",
)
VIEW_SIDE = (  # {v}: "left" or "right"
    "{The} {is_} facing {v}, seen {at}.",
    "{He} {is_} facing {v}, viewed {at}.",
    "Seen {at}, {he} {is_} facing {v}.",
    "The camera sees {him} {at}, facing {v}.",
)
VIEW_FACE = (  # {v}: "from the front" or "from behind"; {join}: "," or " and"
    "{The} {is_} seen {v}{join} {at}.",
    "{He} {is_} viewed {v}{join} {at}.",
    "The camera sees {him} {v}{join} {at}.",
    "{This} {noun} {is_} seen {v}{join} {at}.",
)
FACES = {"front": "from the front", "back": "from behind"}
PITCH = {"eye level": "at eye level", "from above": "from above"}

EFFECTS = {
    "shadow": (
        "{The} cast{s} a {v}.",
        "{He} cast{s} a {v}.",
        "There is a {v}.",
        "{He} {has} a {v}.",
    ),
    "reflection": (
        "{The} {has} a reflection.",
        "{He} {has} a reflection.",
        "{He} {has} a reflection below {him}.",
        "We see {his} reflection on the ground.",
    ),
    "glow": (
        "{The} give{s} off a glow.",
        "{He} give{s} off a glow.",
        "A glow comes from {the}.",
        "There is a glow around {him}.",
    ),
    "no effect": (
        "{The} {has} no long shadow, reflection or glow.",
        "{He} {has} no long shadow, reflection or glow.",
        "There is no visual effect around {the}.",
        "There is no visual effect around {him}.",
    ),
}

# {v}: "to the left of"; {other}: "the red car".
RELATION = (
    "{The} {is_} {v} {other}.",
    "{He} {is_} {v} {other}.",
    "We see {him} {v} {other}.",
    "{V} {other} {is_} {the}.",
)
ALONE = (
    "{The} {is_} alone.",
    "{He} {is_} alone in the image.",
    "We see {him} alone.",
    "{This} {noun} {is_} alone here.",
)
INTERACTION = (
    "{The} {is_} {v} {other}.",
    "{He} {is_} {v} {other}.",
    "We see {him} {v} {other}.",
    "{A} {v} {other}.",
)
NO_INTERACTION = (
    "{The} {is_} not interacting with anything.",
    "{He} {is_} not interacting with anything.",
    "{He} {is_} touching nothing else.",
    "{The} {is_} touching nothing else.",
)

TEXT = (
    "{The} read{s} {v}.",
    "{He} read{s} {v}.",
    "The word on {him} is {v}.",
    "{His} text says {v}.",
)
NO_TEXT = (
    "There is no text on {the}.",
    "There is no text on {him}.",
    "We see no text on {the}.",
    "We see no text on {him}.",
)
STATE = (
    "{The} {is_} {v}.",
    "{He} {is_} {v}.",
    "{This} {noun} {is_} {v}.",
    "{He} appear{s} to be {v}.",
)
STATE_HAD = (
    "{The} {has} {v}.",
    "{He} {has} {v}.",
    "{This} {noun} {has} {v}.",
    "{He} appear{s} to have {v}.",
)
STATES_HAD = {
    "arms raised": "{his} arms raised",
    "sail raised": "{his} sail raised",
    "sail lowered": "{his} sail lowered",
    "lit windows": "lit windows",
    "dark windows": "dark windows",
}

# What cannot be seen. {v}: what it is that hides.
HIDDEN = (
    "{His} {v} cannot be seen.",
    "The {v} of {the} cannot be seen.",
    "We cannot see {his} {v}.",
    "{His} {v} is hidden from view.",
)
HIDDEN_TAIL = "; the {v} cannot be seen."
FACET_NOUNS = {
    "pose": "pose", "build": "build", "expression": "expression", "tone": "tone",
    "texture": "texture", "coat": "pattern", "colour": "color", "style": "style",
    "garment": "garment", "shoes": "shoes", "accessory": "accessories", "age": "age",
    "category": "kind", "material": "material", "shape": "shape", "facing": "side",
    "pitch": "viewpoint", "effect": "effect", "interaction": "interaction",
    "relation": "place", "text": "text", "state": "state",
}  # fmt: skip
WHOLE_NOUNS = {
    "Skin Texture and Color": "skin",
    "Hair": "hair",
    "Clothing Shoes Accessories": "clothing",
    "Camera Viewpoint": "viewpoint",
    "One-Sentence Description": "look",
}
# Words that point at a facet in "the ... cannot be seen"; all others point at everything unsaid.
POINTERS = {
    "tone": ("tone",), "texture": ("texture",), "pattern": ("coat",), "colour": ("colour", "tone"),
    "color": ("colour", "tone"), "style": ("style",), "shoes": ("shoes",), "feet": ("shoes",),
    "footwear": ("shoes",), "garment": ("garment",), "accessories": ("accessory",),
    "accessory": ("accessory",), "side": ("facing",),
}  # fmt: skip

# What a thing lacks when an attribute does not apply to it; the first is said, all are understood.
LACKS: dict[str, tuple[str, ...]] = {
    "Body Pose/Gesture": ("body pose or gesture", "body pose", "pose or gesture"),
    "Body Shape": ("body shape",),
    "Facial Expression": ("facial expression",),
    "Skin Texture and Color": ("skin",),
    "Hair": ("hair",),
    "Clothing Shoes Accessories": ("clothing", "clothes"),
    "Age Range": ("age", "age range"),
    "Color": ("single color", "single colour"),
    "Materials/Texture": ("distinct material", "single material", "material"),
    "Shape": ("simple shape", "geometric shape", "shape"),
    "Associative Visual Effect": ("visual effect of {his} own", "visual effect to describe"),
    "State or Activity": ("state or activity", "special state", "state"),
}
LACK = (
    "{The} {has} no {v}{tail}.",
    "{A} {has} no {v}{tail}.",
    "{This} {noun} {has} no {v}{tail}.",
    "{This_is} {a}, so there is no {brief} to describe.",
)
LACK_TAILS = {"Age Range": " to speak of", "State or Activity": " to speak of"}
NOT_MADE = (  # the material of what lives
    "{The} {is_} not made of a material.",
    "{A} {is_} not made of a material.",
    "{This} {noun} {is_} not made of a material.",
    "{This_is} {a}, so there is no material to describe.",
)
NO_QUESTION = ("This does not apply to {the}.", "This does not apply to {a}.")

# Settings and light, for paragraphs on whole pictures.
SETTINGS = {
    "meadow": "an open meadow",
    "street": "a quiet street",
    "beach": "a sandy beach",
    "snow": "a field of snow",
    "frozen lake": "a frozen lake",
    "living room": "a living room",
    "kitchen": "a kitchen",
    "gallery": "an art gallery",
}
LIGHT = {
    "soft": ("The light is soft.", "Soft light fills the scene."),
    "left": ("Long shadows fall to the left.", "The shadows fall to the left."),
    "right": ("Long shadows fall to the right.", "The shadows fall to the right."),
}

# Other words for a value, by facet; understood, never said. "cup" and the like need no entry.
SYNONYMS: dict[str, dict[str, str]] = {
    "colour": {"gray": "grey", "violet": "purple"},
    "category": {
        "bike": "bicycle", "shrub": "bush", "sailboat": "boat", "lampshade": "shade",
        "flower petals": "flower",
    },
    "pose": {
        "stands": "standing", "sits": "sitting", "seated": "sitting", "walks": "walking",
        "waves": "waving", "arms up": "arms raised", "raised arms": "arms raised",
        "lying": "lying down", "lies down": "lying down",
    },
    "build": {"thin": "slim", "slender": "slim", "chubby": "plump", "stocky": "broad"},
    "expression": {
        "smiling": "happy", "smiles": "happy", "unhappy": "sad", "surprise": "surprised",
        "anger": "angry", "happiness": "happy", "sadness": "sad",
    },
    "tone": {"tanned": "tan"},
    "texture": {"freckles": "freckled", "wrinkles": "wrinkled"},
    "coat": {"stripes": "striped", "spots": "spotted"},
    "style": {"curls": "curly"},
    "colour of hair": {"blonde": "blond", "gray": "grey"},
    "garment": {
        "t shirt": "t-shirt and shorts", "tshirt and shorts": "t-shirt and shorts",
        "sweater": "striped sweater",
    },
    "shoes": {"trainers": "sneakers", "sandal": "sandals"},
    "accessory": {
        "no accessory": "no accessories", "without accessories": "no accessories",
        "handbag": "bag", "eyeglasses": "glasses",
    },
    "age": {"old": "elderly", "grown up": "adult", "kid": "child"},
    "material": {
        "wooden": "wood", "metallic": "metal", "woven": "wicker", "bricks": "brick",
        "cloth": "fabric", "stones": "stone",
    },
    "shape": {"circular": "round", "triangle": "triangular", "dome shaped roof": "domed"},
    "facing": {
        "from the front": "front", "facing the camera": "front", "facing forward": "front",
        "front view": "front", "from behind": "back", "from the back": "back",
        "facing away": "back", "facing left": "left", "facing to the left": "left",
        "facing the left": "left", "facing right": "right", "facing to the right": "right",
        "facing the right": "right",
    },
    "pitch": {"high angle": "from above"},
    "effect": {
        "shadow falls to the left": "shadow to the left",
        "shadow falls to the right": "shadow to the right",
        "shadow on the left": "shadow to the left", "shadow on the right": "shadow to the right",
        "reflected": "reflection", "glows": "glow", "glowing": "glow",
        "no visual effect": "no effect", "no special effect": "no effect",
        "no effects": "no effect", "no shadow": "no effect",
        "no long shadow , reflection or glow": "no effect", "no long shadow": "no effect",
    },
    "text": {"no word": "no text", "no words": "no text", "no writing": "no text"},
    "state": {
        "asleep": "sleeping", "reads": "reading", "drinks": "drinking", "eats": "eating",
        "sleeps": "sleeping", "flowers inside": "filled with flowers",
        "walks": "walking", "waves": "waving", "raised arms": "arms raised",
        "windows are lit": "lit windows", "windows are dark": "dark windows",
        "sail is raised": "sail raised", "sail is lowered": "sail lowered",
        "blooming": "in bloom", "not blooming": "not in bloom", "turned on": "switched on",
        "turned off": "switched off",
    },
    "relation": {
        "left of": "to the left of", "right of": "to the right of",
        "on the left of": "to the left of", "on the right of": "to the right of",
        "on the left side of": "to the left of", "on the right side of": "to the right of",
        "on top of": "on", "inside of": "inside", "underneath": "under", "below": "under",
    },
    "interaction": {
        "holds": "holding", "carrying": "holding", "carried by": "held by", "sits on": "sitting on",
        "stands on": "standing on", "supports": "supporting", "wears": "wearing",
        "leans on": "leaning on", "leaning against": "leaning on", "leans against": "leaning on",
        "surrounding": "encircling", "surrounded by": "encircled by",
    },
}  # fmt: skip
# Numbers and plurals, for the list of what an image shows; other plurals are regular.
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PLURALS = {"man": "men", "woman": "women", "cactus": "cacti"}

NOTHING = {  # said instead of a link
    "relation": ("alone",),
    "interaction": (
        "nothing",
        "not interact",
        "not interacting",
        "no interaction",
        "not touching anything",
    ),
}
