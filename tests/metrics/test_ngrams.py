"""BLEU, ROUGE-L and CIDEr against pycocoevalcap's own, on words drawn at random."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finecaption.metrics.bleu import bleu
from finecaption.metrics.cider import cider
from finecaption.metrics.ngrams import count_corpus, find
from finecaption.metrics.rouge import common_subsequence, rouge_l

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "the", "red", "cup"]), max_size=9)
SETS = st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=1, max_size=6)


def test_counts_are_those_of_a_dictionary() -> None:
    corpus = count_corpus([["a", "b", "a", "b"], []], [[["b", "a"]], [["c"], ["a", "b"]]], orders=2)
    assert corpus.lengths.tolist() == [4, 0, 2, 1, 2]
    assert corpus.owner.tolist() == [0, 1, 0, 1, 1]
    assert corpus.references.tolist() == [1, 2]
    single, double = corpus.orders
    assert single.sentence.tolist() == [0, 0, 2, 2, 3, 4, 4]
    assert single.count.tolist() == [2, 2, 1, 1, 1, 1, 1]
    assert double.sentence.tolist() == [0, 0, 2, 4]
    assert sorted(double.count.tolist()) == [1, 1, 1, 2]  # "a b" twice in the first
    assert double.ngram[3] in double.ngram[:2] and double.ngram[2] in double.ngram[:2]


def test_find_in_sorted_keys() -> None:
    place, there = find(np.array([2, 5, 9]), np.array([5, 1, 10, 9]))
    assert there.tolist() == [True, False, False, True]
    assert place[there].tolist() == [1, 2]
    assert not find(np.array([], np.int64), np.array([1]))[1].any()


@pytest.mark.parametrize(
    ("a", "b", "length"),
    [("", "", 0), ("a b c", "", 0), ("a b c d", "b d", 2), ("a x b y", "y b x a", 1),
     ("a a a", "a a", 2), ("the red cup", "the red cup", 3)],
)  # fmt: skip
def test_common_subsequence(a: str, b: str, length: int) -> None:
    assert common_subsequence(a.split(), b.split()) == length
    assert common_subsequence(b.split(), a.split()) == length


@settings(max_examples=30)
@given(SETS)
def test_scores_are_those_of_pycocoevalcap(rows: list[tuple[list[str], list[list[str]]]]) -> None:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    hypotheses = [h for h, _ in rows]
    references = [r for _, r in rows]
    if not any(word for refs in references for ref in refs for word in ref):
        return  # pycocoevalcap's CIDEr fails where no reference has a word
    gts = {i: [" ".join(r) for r in refs] for i, refs in enumerate(references)}
    res = {i: [" ".join(h)] for i, h in enumerate(hypotheses)}
    corpus = count_corpus(hypotheses, references)
    with redirect_stdout(StringIO()):
        whole, each = Bleu(4).compute_score(gts, res)
    assert bleu(corpus)[0] == pytest.approx(whole, abs=1e-9)
    assert pytest.approx(np.array(each), abs=1e-9) == bleu(corpus)[1].T
    for ours, theirs in ((cider(corpus), Cider()), (rouge_l(hypotheses, references), Rouge())):
        score, scores = theirs.compute_score(gts, res)
        assert ours[0] == pytest.approx(score, abs=1e-9)
        assert ours[1] == pytest.approx(np.array(scores), abs=1e-9)


@pytest.mark.parametrize(
    ("caption", "references", "unigrams"),
    [
        # Papineni et al. 2002, example 2: clipped by the reference that has it most often, twice
        (
            "the the the the the the the",
            ["the cat is on the mat", "there is a cat on the mat"],
            2 / 7,
        ),
        ("the the the the", ["the cat", "the dog"], 1 / 4),
        ("the the the the", ["the the", "the dog"], 2 / 4),
        ("the the the the", ["the the the", "the the", "the"], 3 / 4),
        ("the cat the dog", ["the cat", "the dog"], 3 / 4),
    ],
)
def test_counts_are_clipped_by_the_most_of_one_reference(
    caption: str, references: list[str], unigrams: float
) -> None:
    corpus = count_corpus([caption.split()], [[text.split() for text in references]])
    whole, each = bleu(corpus)
    assert whole[0] == pytest.approx(unigrams, abs=1e-8)
    assert each[0, 0] == pytest.approx(unigrams, abs=1e-8)


def test_one_picture_alone_has_a_cider_of_nothing() -> None:
    words = ["a", "red", "cup"]
    assert cider(count_corpus([words], [[words]]))[0] == 0
    assert cider(count_corpus([words, ["b"] * 4], [[words], [["c"] * 4]]))[1][0] > 0


def test_no_word_at_all() -> None:
    corpus = count_corpus([[], []], [[[]], [[]]])
    assert not bleu(corpus)[0].any() and cider(corpus)[0] == 0
    assert rouge_l([[]], [[[]]])[0] == 1  # as published: two empty sentences agree
