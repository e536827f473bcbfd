"""CLAIR (Chan et al. 2023): how likely a judge finds it that two captions are of one image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finecaption.errors import InputError
from finecaption.metrics.judge import Judge, verdicts
from finecaption.metrics.text import Pair, prepared
from finecaption.metrics.verdict import json_object, number

# The prompt of the paper (figure 1): its wording is what the metric is.
PROMPT = """\
You are trying to tell if a candidate set of captions is describing the same image as a reference \
set of captions.
Candidate set:
{candidates}
Reference set:
{references}
On a precise scale from 0 to 100, how likely is it that the candidate set is describing the same \
image as the reference set? (JSON format, with a key "score", value between 0 and 100, and a key \
"reason" with a string value.)"""

_SCORE = re.compile(r'"?score"?\s*[:=]\s*"?(-?\d+(?:\.\d+)?)', re.IGNORECASE)


@dataclass(frozen=True)
class Clair:
    """The mean (0..1), float64 (P,) of each caption, the judge's reasons, and its identity."""

    score: float
    captions: np.ndarray
    reasons: list[str]
    judge: dict[str, Any]


def clair_prompt(pair: Pair) -> str:
    """What is asked of a caption and its references."""

    def listed(texts: Sequence[str]) -> str:
        return "".join(f"- {text}\n" for text in texts)

    return PROMPT.format(candidates=listed([pair.hypothesis]), references=listed(pair.references))


def read_clair(reply: str) -> tuple[float, str] | None:
    """Score in 0..1 and reason; None when the reply holds no score of the range."""
    found = json_object(reply) or {}
    score = number(found.get("score"), 0, 100)
    if score is None:
        plain = _SCORE.search(reply)  # JSON that was cut short
        score = number(plain[1], 0, 100) if plain else None
    return None if score is None else (score / 100, str(found.get("reason", "")))


def clair(pairs: Sequence[Pair], judge: Judge, keep_cross_references: bool = False) -> Clair:
    """CLAIR of a set of captions.

    Raises:
        InputError: no pairs.
        JudgeError: the judge fails, or gives no score.
    """
    if not pairs:
        raise InputError("clair: there are no captions to score")
    prompts = [clair_prompt(pair) for pair in prepared(pairs, keep_cross_references)]
    told = verdicts(judge, prompts, read_clair)
    each = np.array([score for score, _ in told])
    return Clair(float(each.mean()), each, [reason for _, reason in told], judge.identity)
