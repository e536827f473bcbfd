"""The table's columns: BLEU, ROUGE-L, METEOR, CIDEr and BERTScore of a set of captions.

Texts are tokenised once for all of them. METEOR's Java works while Python counts: for a first set
with the paraphrases that this set can use, and from the second set on in a process that is kept.
What cannot be computed on this machine is named, with the reason, and the rest is computed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from finecaption.errors import InputError
from finecaption.metrics.bert import BertScore
from finecaption.metrics.bleu import bleu
from finecaption.metrics.cider import cider
from finecaption.metrics.meteor import meteor_for, running_meteor, shared_meteor
from finecaption.metrics.missing import Unavailable
from finecaption.metrics.ngrams import ORDERS, count_corpus
from finecaption.metrics.rouge import rouge_l
from finecaption.metrics.text import Pair, prepared
from finecaption.metrics.tokens import TOKENISERS, Kind, word_tokens

BLEU = tuple(f"BLEU-{n}" for n in range(1, ORDERS + 1))
COLUMNS = (*BLEU, "ROUGE-L", "METEOR", "CIDEr", "BERTScore")
"""Every column, in the order of reports."""


@dataclass(frozen=True)
class CaptionScores:
    """What `CaptionScorer.score` found.

    Attributes:
        corpus: column -> figure of the whole set. All in 0..1 but CIDEr, in 0..10; papers print
            them times 100.
        captions: column -> float64 (P,), each caption's own figure, in the order of the pairs.
            The corpus figures of BLEU and METEOR are not their means.
        missing: column -> why it is not there.
        settings: tokenizer, cross-references, number of pairs, BERT variant.
    """

    corpus: dict[str, float]
    captions: dict[str, np.ndarray]
    missing: dict[str, str]
    settings: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "corpus": dict(self.corpus),
            "captions": {name: each.tolist() for name, each in self.captions.items()},
            "missing": dict(self.missing),
            "settings": dict(self.settings),
        }


class CaptionScorer:
    """Scores captions; keep one for several sets, since METEOR and BERT stay loaded."""

    def __init__(
        self,
        *,
        keep_cross_references: bool = False,
        tokeniser: Kind = "ptb",
        bert: str | os.PathLike[str] | None = None,
        bert_layer: int | None = None,
        device: str | None = None,
    ) -> None:
        """
        Args:
            keep_cross_references: keep ``(entity_id_3)`` in captions and references.
            tokeniser: "ptb", the field's; "words", which needs no Java and is not comparable with
                published figures; "spaces", for texts that were tokenised before.
            bert: folder of a model for BERTScore; None leaves that column out.
            bert_layer, device: see bert.BertScore.

        Raises:
            InputError: no such tokenizer.
        """
        if tokeniser not in TOKENISERS:
            raise InputError(
                f"tokeniser: must be one of {', '.join(TOKENISERS)}; got {tokeniser!r}"
            )
        self.keep_cross_references = keep_cross_references
        self.tokeniser: Kind = tokeniser
        self._used = False
        self._bert: BertScore | None = None
        self._no_bert = "no model: give the folder of one (bert)"
        if bert is not None:
            try:
                self._bert = BertScore(bert, bert_layer, device=device)
            except Unavailable as reason:
                self._no_bert = str(reason)

    def warm(self) -> None:
        """Starts the METEOR that is kept, and returns at once.

        Of use when captions are still being written, or several sets are to be scored.
        """
        try:
            shared_meteor()
        except Unavailable:
            return  # score() gives the reason

    def score(self, pairs: Sequence[Pair]) -> CaptionScores:
        """Scores a set of captions, each with its references.

        Raises:
            InputError: no pairs.
            FineCaptionError: the tokenizer or METEOR fails.
        """
        if not pairs:
            raise InputError("captions: there are none to score")
        missing: dict[str, str] = {}
        if self._used:
            self.warm()  # loads while words are cut
        self._used = True
        clean = prepared(pairs, self.keep_cross_references)
        hypotheses, references, tokeniser = self._tokenise(clean)

        corpus: dict[str, float] = {}
        captions: dict[str, np.ndarray] = {}

        def keep(name: str, found: tuple[float, np.ndarray]) -> None:
            corpus[name], captions[name] = found

        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            pending: Future[tuple[float, np.ndarray]] | None = None
            try:
                meteor = running_meteor() or stack.enter_context(
                    meteor_for([*hypotheses, *chain.from_iterable(references)])
                )
                pending = pool.submit(meteor.score, hypotheses, references)
            except Unavailable as reason:
                missing["METEOR"] = str(reason)
            counts = count_corpus(hypotheses, references)
            whole, each = bleu(counts)
            for n, name in enumerate(BLEU):
                keep(name, (float(whole[n]), each[:, n]))
            keep("ROUGE-L", rouge_l(hypotheses, references))
            keep("CIDEr", cider(counts))
            settings: dict[str, Any] = {
                "pairs": len(pairs),
                "references": sum(len(p.references) for p in pairs),
                "tokeniser": tokeniser,
                "cross_references": "kept" if self.keep_cross_references else "stripped",
                "bert": None,
            }
            try:
                keep("BERTScore", self._bert_score(clean))
                settings["bert"] = self._bert.identity if self._bert else None
            except Unavailable as reason:
                missing["BERTScore"] = str(reason)
            if pending is not None:
                keep("METEOR", pending.result())
        return CaptionScores(
            {n: corpus[n] for n in COLUMNS if n in corpus},
            {n: captions[n] for n in COLUMNS if n in captions},
            {n: missing[n] for n in COLUMNS if n in missing},
            settings,
        )

    def _bert_score(self, clean: Sequence[Pair]) -> tuple[float, np.ndarray]:
        if self._bert is None:
            raise Unavailable(self._no_bert)
        return self._bert.score([p.hypothesis for p in clean], [p.references for p in clean])

    def _tokenise(
        self, clean: Sequence[Pair]
    ) -> tuple[list[list[str]], list[list[list[str]]], str]:
        """Words of the hypotheses, of the references, and what they were made with."""
        texts = [r for p in clean for r in p.references] + [p.hypothesis for p in clean]
        name: str = self.tokeniser
        try:
            words = TOKENISERS[self.tokeniser](texts)
        except Unavailable as reason:
            words = word_tokens(texts)
            name = f"words, not comparable with published figures, since ptb cannot run: {reason}"
        told = iter(words)
        references = [[next(told) for _ in p.references] for p in clean]
        return list(told), references, name
