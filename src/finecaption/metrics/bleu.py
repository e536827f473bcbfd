"""BLEU-1 to BLEU-4 (Papineni et al. 2002) as pycocoevalcap computes them."""

from __future__ import annotations

import numpy as np

from finecaption.metrics.ngrams import ORDERS, Corpus, find

# pycocoevalcap/bleu/bleu_scorer.py: keeps quotients finite, and a score of nothing at nothing
_SMALL, _TINY = 1e-9, 1e-15


def bleu(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Corpus BLEU (from summed counts, not a mean), and that of each caption alone.

    Clipped by the references' greatest count; brevity penalty by the reference of the closest
    length, the shorter of two equally close ones.

    Returns:
        float64 (4,) and float64 (P, 4), in 0..1.
    """
    pairs = corpus.pairs
    length = corpus.lengths[:pairs]
    correct = np.stack([_clipped(corpus, n) for n in range(ORDERS)], 1)  # (P, 4)
    guess = np.maximum(0, length[:, None] - np.arange(ORDERS))
    closest = _closest_length(corpus)
    each = _score(correct, guess, length, closest)
    whole = _score(
        correct.sum(0, keepdims=True),
        guess.sum(0, keepdims=True),
        length.sum(keepdims=True),
        closest.sum(keepdims=True),
    )
    return whole[0], each


def _score(
    correct: np.ndarray, guess: np.ndarray, length: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """(N, 4) from counts (N, 4) and lengths (N,)."""
    product = np.cumprod((correct + _TINY) / (guess + _SMALL), axis=1)
    score = product ** (1 / np.arange(1, ORDERS + 1))
    ratio = (length + _TINY) / (reference + _SMALL)
    # an empty caption has a ratio near 0: its penalty underflows to 0, as it should
    with np.errstate(over="ignore"):
        penalty = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    return score * penalty[:, None]


def _clipped(corpus: Corpus, n: int) -> np.ndarray:
    """int64 (P,): n-grams of each hypothesis that its references have too."""
    c = corpus.orders[n]
    own = c.sentence < corpus.pairs
    mine, mine_count = c.sentence[own] * c.kinds + c.ngram[own], c.count[own]
    key = corpus.owner[c.sentence[~own]] * c.kinds + c.ngram[~own]
    order = np.argsort(key, kind="stable")
    key, count = key[order], c.count[~own][order]
    if not len(key):
        return np.zeros(corpus.pairs, np.int64)
    first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    place, there = find(key[first], mine)
    most = np.maximum.reduceat(count, first)[place]
    shared = np.where(there, np.minimum(most, mine_count), 0)
    return np.bincount(c.sentence[own], shared, corpus.pairs).astype(np.int64)


def _closest_length(corpus: Corpus) -> np.ndarray:
    """int64 (P,): the length of the reference whose length is closest."""
    length, owner = corpus.lengths[corpus.pairs :], corpus.owner[corpus.pairs :]
    base = int(corpus.lengths.max(initial=0)) + 1
    rank = np.abs(length - corpus.lengths[owner]) * base + length
    best = np.full(corpus.pairs, np.iinfo(np.int64).max)
    np.minimum.at(best, owner, rank)
    return best % base
