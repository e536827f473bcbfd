"""Which of METEOR's paraphrases a set of captions can need.

METEOR's English table holds 5.3 million pairs of phrases, and reading it is most of METEOR's start.
A pair counts only where one phrase stands in a caption and the other in its reference, so a table
without the pairs that no text of a set can use gives the same scores, and is read at once.

Legend: a key is a text without spaces and signs, in lower case: [a-z0-9]*.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, compress, takewhile
from pathlib import Path

from finecaption.metrics.ngrams import Words

# of a phrase of the table, and of its key (counted in METEOR 1.5's paraphrase-en.gz)
MOST_WORDS, LONGEST_KEY = 7, 65
_CHUNK = 1 << 16  # bytes of the packed table that are looked at together; more were slower
_KEPT = b"abcdefghijklmnopqrstuvwxyz0123456789\n"
_SIGNS = bytes(b for b in range(256) if b not in _KEPT + _KEPT.upper())
_LOWER = bytes(range(256)).lower()
_WORD = re.compile(b"[a-z0-9]+")


def keys(texts: Iterable[Words]) -> set[bytes]:
    """Keys of all phrases in texts that the table could hold.

    METEOR cuts texts anew: at signs, which it may drop or keep ("u.s." is "us" to it, "red-brown"
    two words). A key is without signs on both sides, so however it cuts, a phrase that it finds in
    a text has a key here. Where there are no signs, words are METEOR's, of which a phrase has at
    most MOST_WORDS; with signs only the length of the key tells where to stop.

    Args:
        texts: words of each; equal texts are done once.
    """
    found = {b""}  # phrases of signs alone are always kept
    for text in {" ".join(words).lower().encode("ascii", "replace") for words in texts}:
        pieces = _WORD.findall(text)
        clean = b" ".join(pieces) == text
        for i in range(len(pieces)):
            if clean:
                found.update(accumulate(pieces[i : i + MOST_WORDS]))
            else:
                found.update(takewhile(_short, accumulate(pieces[i:])))
    return found


def _short(key: bytes) -> bool:
    return len(key) <= LONGEST_KEY


def needed(table: Path, wanted: set[bytes]) -> Iterator[bytes]:
    """Entries of a table both of whose phrases have wanted keys, as they stand, in their order.

    Args:
        table: gzip, three lines an entry: probability, phrase, paraphrase (METEOR 1.5's form).
        wanted: from keys().

    Raises:
        OSError: it cannot be read, or is cut short.
        zlib.error: it is no gzip.
    """
    for lines in _chunks(table):
        squeezed = lines.translate(_LOWER, _SIGNS).split(b"\n")
        first = map(wanted.__contains__, squeezed[1::3])
        hits = [i for i in compress(range(0, len(squeezed), 3), first) if squeezed[i + 2] in wanted]
        if hits:
            whole = lines.split(b"\n")
            for i in hits:
                yield b"\n".join((*whole[i : i + 3], b""))


def _chunks(table: Path) -> Iterator[bytes]:
    """The unpacked table in pieces of whole entries, each ending with a newline."""
    unpack = zlib.decompressobj(wbits=31)  # gzip's header
    rest = b""
    with table.open("rb") as file:
        while packed := file.read(_CHUNK):
            lines = rest + unpack.decompress(packed)
            end = _after_entries(lines)
            rest = lines[end:]
            yield lines[:end]
    if not unpack.eof or (rest and rest.count(b"\n") != 2):  # an entry without its last newline
        raise OSError(f"{table}: is cut short")
    yield rest


def _after_entries(lines: bytes) -> int:
    """Where the last whole entry ends."""
    end = len(lines)
    for _ in range(1 + lines.count(b"\n") % 3):
        end = lines.rfind(b"\n", 0, end)
        if end < 0:
            return 0
    return end + 1


def write_needed(table: Path, texts: Sequence[Words], out: Path) -> int:
    """Writes the part of a table that texts need, in the table's form; returns its entries.

    Raises:
        OSError: a file cannot be read or written, or the table is cut short.
        zlib.error: the table is no gzip.
    """
    count = 0
    with gzip.open(out, "wb", compresslevel=1) as file:
        for entry in needed(table, keys(texts)):
            file.write(entry)
            count += 1
    return count
