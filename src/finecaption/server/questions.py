"""Maps the free text of a chat message to one of the questions that the model knows.

The model is not a chat model: it knows the 18 attributes, a paragraph on a region and a paragraph
on the image. Text is read in this order: an attribute's name or short form; a request for detail;
words that stand for an attribute; a name with a slip of the pen. What is none of these is refused,
with a list of what can be asked.
"""

from __future__ import annotations

import difflib
import re

from finecaption.attributes import ATTRIBUTE_NAMES, ATTRIBUTES, find_attribute
from finecaption.errors import InputError
from finecaption.request import Questions

MOST_TEXT = 2000  # characters; longer ones are no question


_DENSE, _WHOLE = Questions(dense=True), Questions(whole=True)

_PREFIX = re.compile(
    r"^(?:please\s+)?"
    r"(?:describe|tell me(?: about)?|give(?: me)?|state|name|what is|what's|what are)"
    r"\s+(?:(?:the|this|that|its|his|her|their|masked|marked|highlighted|selected|given)\s+)*"
    r"(?:(?:region|object|area|thing|mask|part)(?:'s)?\s*:?\s+)?(?:(?:the|its|his|her|their)\s+)?"
)
_TAIL = re.compile(
    r"\s+(?:of|in|for|on)\s+(?:the|this|that)\s+(?:\w+\s+)?"
    r"(?:region|object|area|thing|mask|part|person|animal)$"
)
_PICTURE = re.compile(
    r"\b(?:(?:whole|entire|full|complete)\s+(?:image|picture|photo|scene)|"
    r"(?:this|the) (?:image|picture|photo|scene)(?! region))\b"
)
_REGION = re.compile(
    r"\b(?:region|object|mask|masked|marked|highlighted|area|it|thing|selected|selection)\b"
)
_DETAIL = re.compile(r"\b(?:in (?:full |great |more )?detail|detailed|details|paragraph)\b")
_DESCRIBE = re.compile(
    r"\b(?:describe|description|caption|tell me (?:about|what)|explain|what do you see|"
    r"what(?:'s| is| can be seen)? (?:in|on|shown in) (?:this|the)|what does (?:this|the) "
    r"(?:image|picture|photo) show)\b"
)

# The first rule that fits decides, so the special stand before the general: "the color of her
# hair" asks about hair.
_RULES: tuple[tuple[str, str], ...] = (
    (r"hair|hairstyle|haircut|beard|bald", "Hair"),
    (r"skin|complexion|fur|coat of the animal", "Skin Texture and Color"),
    (
        r"facial|expression|emotions?|mood|smil\w*|frown\w*|(?:looks?|feel\w*) "
        r"(?:happy|sad|angry|surprised)|feel\w*",
        "Facial Expression",
    ),
    (
        r"wear\w*|cloth\w*|shoes?|dress\w*|outfit|accessor\w*|hats?|shirts?|garments?",
        "Clothing Shoes Accessories",
    ),
    (r"how old|age|aged|young|elderly|years old", "Age Range"),
    (r"pos(?:e|es|ing|ture)|gestures?|sitting or standing", "Body Pose/Gesture"),
    (r"body shape|build|physique|slim|fat|thin|body type", "Body Shape"),
    (
        r"texts?|words?|writ\w*|letter\w*|reads?|says?|inscription|sign says|ocr|printed|spelled",
        "Visible Text",
    ),
    (
        r"made (?:of|from|out of)|materials?|textures?|surface|fabric|pattern\w*",
        "Materials/Texture",
    ),
    (r"colou?rs?|colou?red|hue|shade of", "Color"),
    (r"shapes?|form|outline|geometry", "Shape"),
    (
        r"viewpoints?|camera|perspective|angle|seen from|viewed|facing|which side|point of view",
        "Camera Viewpoint",
    ),
    (r"shadows?|reflections?|glow\w*|visual effects?|cast\w*", "Associative Visual Effect"),
    (
        r"interact\w*|hold\w*|touch\w*|carry\w*|carri\w*|rid(?:e|es|ing)|standing on|sitting on|"
        r"resting on",
        "Interaction with Other Objects",
    ),
    (
        r"where|locat\w*|position\w*|next to|beside|left of|right of|behind|in front|placed",
        "Relative Location with Other Objects",
    ),
    (r"doing|activit\w*|actions?|states?|condition|happening", "State or Activity"),
    (
        r"one sentence|a sentence|short(?:ly)?|briefly|brief|summar\w+|concise\w*",
        "One-Sentence Description",
    ),
    (
        r"categor\w*|class|kind of|type of|sort of|called|who is (?:this|that|it)|identify|"
        r"(?:what|which) (?:object|thing|animal|item)|"
        r"what(?:'s| is| are) (?:this|that|it|these|those|here|shown)"
        r"(?: (?:region|object|thing|area|animal))?|what (?:this|it) is|name it|"
        r"what(?:'s| is) the (?:object|thing|animal|item)",
        "Category Name",
    ),
)
_COMPILED = tuple((re.compile(rf"\b(?:{words})\b"), name) for words, name in _RULES)


def understand(text: str, has_region: bool) -> Questions:
    """The one question that `text` asks.

    Args:
        text: of the user, in English; "<image>" and white space do not count.
        has_region: whether the request marks a region; without, only the image can be described.

    Raises:
        InputError: no question that the model knows, or one on a region where there is none.
    """
    plain = " ".join(text.replace("<image>", " ").split())
    if len(plain) > MOST_TEXT:
        raise InputError(f"messages: the text has {len(plain)} characters; {what_can_be_asked()}")
    asked = _read(plain.casefold().strip(" .?!:\"'"), has_region)
    if asked is None:
        shown = plain if len(plain) <= 120 else plain[:117] + "..."
        raise InputError(f'messages: "{shown}" asks nothing that is known; {what_can_be_asked()}')
    if asked != _WHOLE and not has_region:
        raise InputError(
            f'messages: "{asked.names[0]}" asks about a region and none is marked; send the '
            'image as an RGBA PNG whose alpha is the mask, or a "region" field, or ask to '
            "describe the image in detail"
        )
    return asked


def what_can_be_asked() -> str:
    """For messages: everything that can be asked."""
    return (
        "ask for one attribute of a region (" + ", ".join(ATTRIBUTE_NAMES) + '), "describe in '
        'detail" for a paragraph on it, or "describe the picture in detail" for the whole image'
    )


def _read(text: str, has_region: bool) -> Questions | None:
    if not text:
        return _DENSE if has_region else _WHOLE  # an image alone: what there is to say of it
    found = find_attribute(text)
    if found is None:
        named = _TAIL.sub("", _PREFIX.sub("", text)).strip(" .?!:\"'")
        found = find_attribute(named) if named != "object" else None  # "describe the object"
    if found is not None:
        return Questions((found.name,))
    whole = not has_region or (_PICTURE.search(text) and not _REGION.search(text))
    if _DETAIL.search(text):
        return _WHOLE if whole else _DENSE
    for words, name in _COMPILED:
        if words.search(text):
            if whole and _DESCRIBE.search(text) and name in _OF_A_PICTURE:
                break  # "what is shown in this picture", "a short description of the scene"
            return Questions((name,))
    if _DESCRIBE.search(text):
        return _WHOLE if whole else _DENSE
    return _nearly(text)


_OF_A_PICTURE = ("Category Name", "One-Sentence Description", "State or Activity")


def _nearly(text: str) -> Questions | None:
    """A name with a typo, such as "materails"."""
    if len(text) > 60:
        return None
    spellings = {
        spelling.casefold(): attribute.name
        for attribute in ATTRIBUTES
        for spelling in (attribute.name, *attribute.aliases)
    }
    near = difflib.get_close_matches(text, list(spellings), n=1, cutoff=0.8)
    return Questions((spellings[near[0]],)) if near else None
