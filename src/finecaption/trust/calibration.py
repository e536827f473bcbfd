"""The probability that an answer is right, from its log-probability by a fitted curve.

    p = sigmoid(level + slope * -log(SOFTENING - t)),   t = mean log-probability * tokens

t is the log-probability of the whole answer. The map is a log-logistic curve of it, non-decreasing
because slopes are not negative. A pooled curve is fitted to all answers (Platt 1999, on this
feature), then one for each attribute, drawn to the pooled one as by `_PULL` answers' worth of
prior, so that an attribute with few answers keeps to what holds for all. Why this form, and not
isotonic regression or the mean log-probability: docs/confidence.md has the measurements.

The curves lie beside the weights as `calibration.json`; without that file a model gives no
confidence.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from finecaption.errors import InputError

CALIBRATION_FILE = "calibration.json"
PARAGRAPHS = ("dense", "global")
"""Names of answers that have no confidence unless they were fitted: paragraphs say many things."""

_VERSION = 1
_SOFTENING = 0.02  # nats; an answer of certain tokens stays finite
_PULL = 1.0  # curvature of the prior around the pooled curve; 0.1 to 3 fit held-out val alike
_STEPS = 50  # of Newton's method, which takes under 15


@dataclass(frozen=True)
class Curve:
    """Level and slope (0 or more) of one map, and what it was fitted to."""

    level: float
    slope: float
    answers: int = 0
    right: float = 0.0
    """Their share that was right."""

    def __call__(self, total: float) -> float:
        """Probability for a log-probability of the whole answer."""
        if self.slope == 0:
            return _sigmoid(self.level)
        return _sigmoid(self.level - self.slope * math.log(_SOFTENING - min(total, 0.0)))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "level": round(self.level, 5),
            "slope": round(self.slope, 5),
            "answers": self.answers,
            "right": round(self.right, 5),
        }


@dataclass(frozen=True)
class Calibration:
    """Maps of log-probabilities to probabilities of being right, one an attribute and a pooled one.

    Right means that everything which the answer states of the attribute is true. The figures hold
    for greedy answers on images like those that the maps were fitted to, and no others.
    """

    pooled: Curve
    attributes: Mapping[str, Curve] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    """What it was fitted to, for readers of the file."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))
        object.__setattr__(self, "about", MappingProxyType(dict(self.about)))

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        logprobs: Sequence[float],
        tokens: Sequence[int],
        right: Sequence[bool],
        about: Mapping[str, Any] | None = None,
    ) -> Calibration:
        """Fits the maps to N answers with a truth.

        Args:
            names: of the attributes asked.
            logprobs: mean natural log-probability of each answer's tokens, 0 or less.
            tokens: how many those are, the end included.
            right: whether the answer is right.
            about: kept in the file.

        Raises:
            InputError: no answers, lists of several lengths, or a log-probability above 0.
        """
        count = len(names)
        if not count or {len(logprobs), len(tokens), len(right)} != {count}:
            raise InputError(
                f"calibration: needs one log-probability, number of tokens and mark an answer; got "
                f"{count} names, {len(logprobs)}, {len(tokens)} and {len(right)}"
            )
        totals = np.asarray(logprobs, np.float64) * np.asarray(tokens, np.float64)
        if not np.isfinite(totals).all() or (totals > 1e-6).any():
            raise InputError("calibration: log-probabilities must be finite and 0 or less")
        marks = np.asarray(right, bool).astype(np.float64)
        found = _feature(totals)
        pooled = _fit(found, marks, np.zeros(2), 1e-3)
        of_name = np.asarray(names)
        curves = {}
        for name in sorted(set(names)):
            own = of_name == name
            curves[name] = _curve(_fit(found[own], marks[own], pooled, _PULL), marks[own])
        return cls(_curve(pooled, marks), curves, about or {})

    def probability(self, name: str, logprob: float, tokens: int) -> float | None:
        """How likely an answer is right, 0 to 1.

        Args:
            name: the attribute; one that the maps were not fitted to has the pooled map, and a
                paragraph ("dense", "global") None.
            logprob: mean natural log-probability of the answer's tokens.
            tokens: how many those are, the end included.
        """
        curve = self.attributes.get(name)
        if curve is None:
            if name in PARAGRAPHS:
                return None
            curve = self.pooled
        total = logprob * tokens
        return 0.0 if math.isnan(total) else curve(total)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Writes `calibration.json` into a model's folder."""
        from finecaption.io.atomic import write_json  # saving alone needs it

        path = Path(folder) / CALIBRATION_FILE
        data = {
            "version": _VERSION,
            "form": "sigmoid(level - slope * log(softening - mean_logprob * tokens))",
            "softening": _SOFTENING,
            "about": dict(self.about),
            "pooled": self.pooled.to_dict(),
            "attributes": {name: curve.to_dict() for name, curve in self.attributes.items()},
        }
        write_json(path, data)
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Calibration | None:
        """The maps in a model's folder; None if it has none.

        Raises:
            InputError: the file is broken, or of another version.
        """
        path = Path(folder) / CALIBRATION_FILE
        if not path.is_file():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["version"] != _VERSION or data["softening"] != _SOFTENING:
                raise ValueError(f"version {data['version']}, this release reads {_VERSION}")
            return cls(
                _read(data["pooled"]),
                {str(name): _read(curve) for name, curve in data["attributes"].items()},
                data.get("about", {}),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: is broken ({error}); delete it for answers without confidence, or fit it "
                "again with benchmarks/calibrate.py"
            ) from error


def calibration_error(
    probabilities: Sequence[float], right: Sequence[bool], bins: int = 15
) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3): bins of equal width, 0 to 1.

    The mean over answers of the distance between the mean probability and the share right in the
    answer's bin.
    """
    given = np.asarray(probabilities, np.float64)
    marks = np.asarray(right, np.float64)
    place = np.minimum((given * bins).astype(int), bins - 1)
    gaps = [
        abs(given[place == b].mean() - marks[place == b].mean()) * np.mean(place == b)
        for b in np.unique(place)
    ]
    return float(sum(gaps))


def _read(data: Mapping[str, Any]) -> Curve:
    level, slope = float(data["level"]), float(data["slope"])
    if not (math.isfinite(level) and math.isfinite(slope)) or slope < 0:
        raise ValueError(f"level {level}, slope {slope}: must be finite, the slope not negative")
    return Curve(level, slope, int(data.get("answers", 0)), float(data.get("right", 0.0)))


def _feature(totals: np.ndarray) -> np.ndarray:
    """(N,) -> (N, 2): 1 and how sure the answer is."""
    sure = -np.log(_SOFTENING - np.minimum(totals, 0.0))
    return np.stack([np.ones_like(sure), sure], axis=1)


def _fit(found: np.ndarray, marks: np.ndarray, prior: np.ndarray, pull: float) -> np.ndarray:
    """Logistic regression with a Gaussian prior around `prior`, by Newton's method: (2,)."""
    weights = prior.copy()
    for _ in range(_STEPS):
        odds = found @ weights
        likely = 0.5 * (1 + np.tanh(odds / 2))  # sigmoid, without overflow
        slope = found.T @ (likely - marks) + pull * (weights - prior)
        bend = (found * (likely * (1 - likely))[:, None]).T @ found + (pull + 1e-9) * np.eye(2)
        step = np.clip(np.linalg.solve(bend, slope), -2, 2)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    if weights[1] < 0:  # a surer answer is never less likely right: then the level alone
        level = np.log((marks.sum() + pull) / (len(marks) - marks.sum() + pull))
        weights = np.array([level, 0.0])
    return weights


def _curve(weights: np.ndarray, marks: np.ndarray) -> Curve:
    return Curve(float(weights[0]), float(weights[1]), len(marks), float(marks.mean()))


def _sigmoid(odds: float) -> float:
    return 0.5 * (1 + math.tanh(odds / 2))


__all__ = ["CALIBRATION_FILE", "Calibration", "Curve", "calibration_error"]
