"""CIDEr-D (Vedantam et al. 2015) times 10: what the field calls CIDEr, as pycocoevalcap has it."""

from __future__ import annotations

import numpy as np

from finecaption.metrics.ngrams import Corpus, find

SIGMA = 6.0  # of the length penalty: pycocoevalcap/cider/cider.py


def cider(corpus: Corpus) -> tuple[float, np.ndarray]:
    """The mean over captions, and each caption's.

    The inverse document frequency comes from the references given: figures of different sets of
    pairs cannot be compared, and one pair alone has 0.

    Returns:
        A figure in 0..10 (papers print it times 100), and float64 (P,).
    """
    pairs = corpus.pairs
    owner = corpus.owner[pairs:]
    value = np.zeros(len(owner))  # summed over orders
    bigrams = np.maximum(0, corpus.lengths - 1)  # the length that is compared, as published
    delta = bigrams[:pairs][owner] - bigrams[pairs:]
    penalty = np.exp(-(delta.astype(float) ** 2) / (2 * SIGMA**2))
    for c in corpus.orders:
        own = c.sentence < pairs
        seen = np.unique(corpus.owner[c.sentence[~own]] * c.kinds + c.ngram[~own]) % c.kinds
        frequency = np.bincount(seen, minlength=c.kinds)
        idf = np.log(float(pairs)) - np.log(np.maximum(1.0, frequency))
        weight = c.count * idf[c.ngram]
        norm = np.sqrt(np.bincount(c.sentence, weight**2, len(corpus.lengths)))
        hypothesis = c.sentence[own] * c.kinds + c.ngram[own]
        place, there = find(hypothesis, corpus.owner[c.sentence[~own]] * c.kinds + c.ngram[~own])
        theirs = weight[~own]
        mine = weight[own][place] if own.any() else np.zeros(len(theirs))
        product = np.where(there, np.minimum(mine, theirs) * theirs, 0.0)
        dot = np.bincount(c.sentence[~own] - pairs, product, len(owner)).astype(float)
        norms = norm[:pairs][owner] * norm[pairs:]
        value += np.divide(dot, norms, out=dot.copy(), where=norms != 0) * penalty
    each = np.bincount(owner, value, pairs) / len(corpus.orders) / corpus.references * 10
    return float(each.mean()), each
