"""Captions and references before any metric sees them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from finecaption.errors import InputError

_REFERENCE = r"entity[\s_]*id[\s_]*\d+"
_CROSS = re.compile(
    rf"\s*\(\s*{_REFERENCE}(?:\s*(?:,|and|&|;)\s*{_REFERENCE})*\s*\)", re.IGNORECASE
)
# every character at which some reader of lines begins a new one
_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Pair:
    """A caption and what it is held against.

    Attributes:
        hypothesis: what the model wrote; may be empty.
        references: at least one.
        key: a name for reports; any text.
    """

    hypothesis: str
    references: tuple[str, ...]
    key: str = ""

    def __post_init__(self) -> None:
        where = f"Pair {self.key!r}" if self.key else "Pair"
        if isinstance(self.references, str) or not isinstance(self.references, Sequence):
            raise InputError(
                f"{where}: references must be a sequence of texts; got {self.references!r}"
            )
        object.__setattr__(self, "references", tuple(self.references))
        if not self.references:
            raise InputError(f"{where}: has no reference; leave it out, or give one")
        for text in (self.hypothesis, *self.references):
            if not isinstance(text, str):
                raise InputError(f"{where}: must hold texts; got {text!r}")


def strip_cross_references(text: str) -> str:
    """The text without ``(entity_id_3)`` and the space before it.

    Reference captions of CompositionCap point at other regions in this way; a model that is not
    told their numbers cannot write them.
    """
    return _CROSS.sub("", text)


def one_line(text: str) -> str:
    """The text with each run of line breaks, of any kind, as a space."""
    return _BREAK.sub(" ", text)


def prepared(pairs: Sequence[Pair], keep_cross_references: bool = False) -> list[Pair]:
    """The pairs on one line each, without cross-references unless these are kept."""

    def clean(text: str) -> str:
        return one_line(text if keep_cross_references else strip_cross_references(text))

    return [Pair(clean(p.hypothesis), tuple(map(clean, p.references)), p.key) for p in pairs]
