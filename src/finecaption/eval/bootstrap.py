"""Intervals and p-values over images: regions of one image are not independent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DRAWS = 2000
_AT_ONCE = 500  # draws in memory together


@dataclass(frozen=True)
class Clustered:
    """Values summed by image and kind.

    Attributes:
        sums, counts: float64 (images, kinds).
        kinds: names of the columns.
    """

    sums: np.ndarray
    counts: np.ndarray
    kinds: tuple[str, ...]

    @property
    def means(self) -> np.ndarray:
        """float64 (kinds,)."""
        return self.sums.sum(0) / self.counts.sum(0)


def clustered(
    values: Sequence[float], pictures: Sequence[Hashable], kinds: Sequence[str] | None = None
) -> Clustered:
    """Sums values by image and kind.

    Args:
        values, pictures, kinds: of N answers each; without kinds all are of one.
    """
    kinds = [""] * len(values) if kinds is None else kinds
    rows = {name: i for i, name in enumerate(dict.fromkeys(pictures))}
    columns = {name: i for i, name in enumerate(dict.fromkeys(kinds))}
    at = ([rows[p] for p in pictures], [columns[k] for k in kinds])
    sums, counts = (np.zeros((len(rows), len(columns))) for _ in range(2))
    np.add.at(sums, at, np.asarray(values, float))
    np.add.at(counts, at, 1.0)
    return Clustered(sums, counts, tuple(columns))


def draws_of_means(found: Clustered, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Bootstrap over images: float64 (draws, kinds) of means; NaN where a draw has none."""
    rng = np.random.default_rng(seed)
    pictures = len(found.sums)
    out = np.empty((draws, len(found.kinds)))
    for first in range(0, draws, _AT_ONCE):
        some = min(_AT_ONCE, draws - first)
        weights = rng.multinomial(pictures, np.full(pictures, 1 / pictures), some)
        asked = weights @ found.counts
        part = out[first : first + some]
        part[:] = np.nan
        np.divide(weights @ found.sums, asked, out=part, where=asked > 0)
    return out


def middle(draws: np.ndarray) -> list[float] | None:
    """The 95 % percentile interval of draws (N,); None where all are NaN."""
    if np.isnan(draws).all():
        return None
    low, high = np.nanpercentile(draws, (2.5, 97.5))
    return [float(low), float(high)]


def mean_of(values: Sequence[float], pictures: Sequence[Hashable]) -> dict[str, Any] | None:
    """Mean, 95 % interval over images, and count; None without values."""
    if not values:
        return None
    found = clustered(values, pictures)
    return {
        "mean": float(found.means[0]),
        "interval": middle(draws_of_means(found)[:, 0]),
        "count": len(values),
    }


def sign_test(differences: Clustered, draws: int = 10_000, seed: int = 0) -> dict[str, float]:
    """Paired permutation test over images: under the null an image's sign is a coin's.

    Args:
        differences: of paired answers, by image and kind.

    Returns:
        Two-sided p of each kind's mean, and under "" that of the mean over kinds, by kind; the
        observed arrangement counts among the draws, so that no p is 0.
    """
    each = differences.sums / differences.counts.sum(0)  # (images, kinds): parts of the means
    table = np.column_stack([each, each.mean(1)])
    seen = np.abs(table.sum(0))
    rng = np.random.default_rng(seed)
    as_far = np.zeros(table.shape[1])
    for first in range(0, draws, _AT_ONCE):
        some = min(_AT_ONCE, draws - first)
        signs = rng.integers(0, 2, (some, len(table))) * 2.0 - 1
        as_far += (np.abs(signs @ table) >= seen - 1e-12).sum(0)
    p = (as_far + 1) / (draws + 1)
    return dict(zip((*differences.kinds, ""), p.tolist(), strict=True))


def holm(p: dict[str, float]) -> dict[str, float]:
    """p-values corrected for their number (Holm 1979), by the same names."""
    order = sorted(p, key=lambda name: p[name])
    out: dict[str, float] = {}
    worst = 0.0
    for place, name in enumerate(order):
        worst = max(worst, min(1.0, p[name] * (len(order) - place)))
        out[name] = worst
    return {name: out[name] for name in p}
