"""All n-grams of a corpus, counted once for BLEU and CIDEr.

Words and n-grams are numbers, sentences are numbers, and counting is sorting: a whole corpus takes
a fraction of a second, where a dictionary a sentence takes several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ORDERS = 4
Words = Sequence[str]


@dataclass(frozen=True)
class Counts:
    """How often each sentence has each n-gram of one order; sorted by (sentence, ngram).

    Attributes:
        sentence, ngram, count: int64 (E,), an entry for each that occurs.
        kinds: number of different n-grams; `ngram` is below it.
    """

    sentence: np.ndarray
    ngram: np.ndarray
    count: np.ndarray
    kinds: int


@dataclass(frozen=True)
class Corpus:
    """Hypotheses and references as counts.

    Attributes:
        pairs: P, how many hypotheses there are.
        lengths: int64 (S,), words of each sentence: hypotheses 0..P-1, then all references.
        owner: int64 (S,), the pair that a sentence belongs to.
        orders: counts of 1-grams, 2-grams, ...
    """

    pairs: int
    lengths: np.ndarray
    owner: np.ndarray
    orders: tuple[Counts, ...]

    @property
    def references(self) -> np.ndarray:
        """int64 (P,): how many references each pair has."""
        return np.bincount(self.owner[self.pairs :], minlength=self.pairs)


def count_corpus(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]], orders: int = ORDERS
) -> Corpus:
    """Counts the n-grams of hypotheses (P) and their references (P, at least one each)."""
    sentences = [*hypotheses, *(ref for refs in references for ref in refs)]
    pairs = len(hypotheses)
    owner = [*range(pairs), *(i for i, refs in enumerate(references) for _ in refs)]
    lengths = np.array([len(s) for s in sentences], np.int64)
    vocabulary: dict[str, int] = {}
    words = np.array(
        [vocabulary.setdefault(w, len(vocabulary)) for s in sentences for w in s], np.int64
    )
    of_word = np.repeat(np.arange(len(sentences)), lengths)
    starts = np.cumsum(lengths) - lengths
    left = (starts + lengths)[of_word] - np.arange(len(words))  # words from here to the end
    at, gram, counts = np.arange(len(words)), words, []
    for n in range(1, orders + 1):
        if n > 1:
            keep = left[at] >= n
            at, gram = at[keep], gram[keep]
            longer = gram * max(1, len(vocabulary)) + words[at + n - 1]
            gram = np.unique(longer, return_inverse=True)[1].reshape(-1)
        kinds = int(gram.max()) + 1 if len(gram) else 1
        key, count = np.unique(of_word[at] * kinds + gram, return_counts=True)
        counts.append(Counts(key // kinds, key % kinds, count.astype(np.int64), kinds))
    return Corpus(pairs, lengths, np.array(owner, np.int64), tuple(counts))


def find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where values stand in sorted, distinct keys.

    Args:
        keys: int64 (K,), sorted, each once.
        wanted: int64 (W,).

    Returns:
        int64 (W,) place in keys (any, where there is none) and bool (W,) whether it is there.
    """
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted
