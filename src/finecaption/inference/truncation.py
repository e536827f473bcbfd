"""Answers cut to a clause or a sentence."""

from __future__ import annotations

import re

# A mark ends a sentence if another word follows that is not in small letters: not in "3.5" or in
# 'says "Stop!" in red', and at the end of what has been written so far nothing is known yet.
_SENTENCE = re.compile(r"""[.!?…]["'”’)\]]*(?=\s+[^\sa-z])|[。！？][”’」』）]*""")
_CLAUSE = re.compile(r"\s*[,;:](?=\s)|\s+[-–—]+(?=\s)|[、，；：]")
# an initial or an abbreviation after which a sentence goes on
_SHORT = re.compile(r"(?:^|[\s(])(?:[A-Z]|e\.g|i\.e|vs|Mr|Mrs|Ms|Dr|St)\.$")
_ENDS = ".,;:。，；："


def cut(text: str, length: str | None) -> tuple[str, bool]:
    """What an answer of a `Decoding.length` keeps of a text.

    Args:
        text: all or the beginning of an answer.
        length: "brief", "sentence", "paragraph" or None.

    Returns:
        The kept part, and whether more text could not change it.
    """
    if length not in ("brief", "sentence"):
        return text, False
    end = next(
        (m.end() for m in _SENTENCE.finditer(text) if not _SHORT.search(text[: m.end()])), None
    )
    kept = text if end is None else text[:end]
    if length == "brief":
        clause = _CLAUSE.search(kept)
        if clause is not None and clause.start() > 0:
            kept, end = kept[: clause.start()], clause.start()
        kept = kept.rstrip().rstrip(_ENDS)
    return kept, end is not None


__all__ = ["cut"]
