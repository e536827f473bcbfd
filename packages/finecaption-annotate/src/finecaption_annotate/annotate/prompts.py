"""What a foreign vision model is asked. Our own models are asked as `finecaption.attributes` says.

Every record keeps PROMPTS_VERSION: raise it with any change to these texts, so that answers to the
old ones are neither reused from a cache nor taken for answers to the new ones.
"""

from __future__ import annotations

from finecaption.types import Task

PROMPTS_VERSION = "1"

NOT_APPLICABLE = "not applicable"

_SHOWN = {
    "outline": (
        "In the first picture a red outline marks one region; the second picture shows that region "
        "from near by."
    ),
    "alpha": "The opaque part of the picture is one region of it.",
}
_ONLY = "Answer with the description alone, in plain English; do not mention any outline or mask."


def prompt(task: Task, attribute: str | None, shown: str) -> str:
    """The text of a question.

    Args:
        task: aarc, rdc or cgic.
        attribute: of aarc.
        shown: "outline" or "alpha": how the region is shown (not used for cgic).
    """
    if task == "cgic":
        return f"Describe the picture in one detailed paragraph. {_ONLY}"
    if task == "rdc":
        return f"{_SHOWN[shown]} Describe the region in one detailed paragraph. {_ONLY}"
    return (
        f"{_SHOWN[shown]} Describe this attribute of the region in one sentence: {attribute}. "
        f"If the attribute does not apply to the region, answer exactly: {NOT_APPLICABLE}. {_ONLY}"
    )


def does_not_apply(text: str) -> bool:
    """Whether an answer says that the attribute does not apply."""
    return text.strip().strip(".").casefold() == NOT_APPLICABLE
