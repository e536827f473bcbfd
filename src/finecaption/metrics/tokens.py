"""Captions as words: lower case, without punctuation, as the field's scores have them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from typing import Literal

from finecaption.errors import FineCaptionError
from finecaption.metrics.java import TOKENIZER, find_jar, find_java
from finecaption.metrics.missing import Unavailable
from finecaption.metrics.text import one_line

Kind = Literal["ptb", "words", "spaces"]

# dropped after tokenisation: pycocoevalcap/tokenizer/ptbtokenizer.py
PUNCTUATION = frozenset(
    ("''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--",
     "...", ";")
)  # fmt: skip
"""As published: brackets are named in capitals, though all is lower-cased before, and so stay in
the text as words ("-lrb-"). Kept, since every published figure has them."""


def ptb_tokens(texts: Sequence[str]) -> list[list[str]]:
    """Words by Stanford's PTBTokenizer (CoreNLP 3.4.1), in one run of Java.

    Args:
        texts: any; equal ones are done once.

    Returns:
        The words of each text, lower case, without PUNCTUATION.

    Raises:
        Unavailable: no Java, or no tokenizer.
        FineCaptionError: the program fails.
    """
    command = [
        find_java(),
        "-cp",
        str(find_jar(*TOKENIZER)),
        "edu.stanford.nlp.process.PTBTokenizer",
        "-preserveLines",
        "-lowerCase",
        "-encoding",
        "utf-8",
    ]
    lines = [one_line(text) for text in texts]
    unique = list(dict.fromkeys(lines))
    if not unique:
        return []
    text = "".join(f"{line}\n" for line in unique)
    try:
        done = subprocess.run(
            command, input=text.encode("utf-8", "replace"), capture_output=True, check=False
        )
    except OSError as error:
        raise Unavailable(f"Java does not start ({error})") from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise FineCaptionError(f"PTBTokenizer: ended with code {done.returncode}: {told}")
    out = done.stdout.decode("utf-8").split("\n")[:-1]
    if len(out) != len(unique):
        raise FineCaptionError(
            f"PTBTokenizer: gave {len(out)} lines for {len(unique)}; a caption holds a character "
            "that breaks lines"
        )
    words = {
        line: [w for w in told.rstrip().split(" ") if w and w not in PUNCTUATION]
        for line, told in zip(unique, out, strict=True)
    }
    return [words[line] for line in lines]


_WORD = re.compile(
    r"(?:[a-z]\.){2,}"  # u.s.
    r"|\d+(?:[.,:/]\d+)*(?:st|nd|rd|th|s|%)?"
    r"|[^\W\d_]+(?:[-&/][^\W_]+|\d)*"
    r"|[^\s\w]|_+"
)
_CLITIC = re.compile(r"(?:n't|'(?:s|m|d|re|ve|ll))$")
_SIGNS = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": " - ",
        "\u2014": " - ",
        "\u2026": " ... ",
    }
)
_BRACKETS = dict(zip("()[]{}", ("-lrb-", "-rrb-", "-lsb-", "-rsb-", "-lcb-", "-rcb-"), strict=True))
_SPLIT = {"cannot": ["can", "not"], "gonna": ["gon", "na"], "wanna": ["wan", "na"]}
_APOSTROPHE = re.compile(r"(?<=[a-z])'(?=[a-z])")


def word_tokens(texts: Sequence[str]) -> list[list[str]]:
    """Words without Java: near those of `ptb_tokens` for plain English, not the same everywhere.

    Lower case; clitics apart ("dog 's", "is n't"); hyphenated words whole; punctuation dropped.
    Meant for machines where the tokenizer cannot run: reports name it, and figures made with it
    are not to be set beside published ones.
    """
    return [_words(text) for text in texts]


def _words(text: str) -> list[str]:
    out: list[str] = []
    for chunk in text.lower().translate(_SIGNS).split():
        # an apostrophe between letters belongs to the word: kept through the split
        for piece in _split_clitic(chunk):
            out += _SPLIT.get(piece, [piece])
    return out


def _split_clitic(chunk: str) -> list[str]:
    core = chunk.strip("\"'`.,;:!?()[]{}")
    clitic = _CLITIC.search(core)
    if clitic and clitic.start():
        return [*_plain(core[: clitic.start()]), clitic[0]]
    return _plain(chunk)


def _plain(chunk: str) -> list[str]:
    marked = _APOSTROPHE.sub("\u02bc", chunk)  # a letter to the pattern: o'clock stays one word
    found = (w.replace("\u02bc", "'") for w in _WORD.findall(marked))
    return [_BRACKETS.get(w, w) for w in found if w not in PUNCTUATION and w != '"']


def space_tokens(texts: Sequence[str]) -> list[list[str]]:
    """Words as they stand between spaces: for texts that were tokenised before."""
    return [text.split() for text in texts]


TOKENISERS: dict[Kind, Callable[[Sequence[str]], list[list[str]]]] = {
    "ptb": ptb_tokens,
    "words": word_tokens,
    "spaces": space_tokens,
}
