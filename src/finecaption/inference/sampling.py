"""The next token: the most likely one, or a sampled one.

Legend: n rows, V the vocabulary.
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Sequence

import torch

from finecaption.decoding import Decoding
from finecaption.errors import CaptionerError


def guided(logits: torch.Tensor, whole: torch.Tensor | None, strength: float) -> torch.Tensor:
    """r + g (r - w): classifier-free guidance (arXiv 2306.17806; its gamma is 1 + g).

    Args:
        logits: (n, V), r, for the region.
        whole: (n, V), w, for the whole image's mask; None: no guidance.
        strength: g.
    """
    return logits if whole is None else logits + strength * (logits - whole)


def row_seed(seed: int | None, question: str) -> int:
    """A row's own seed, by `Decoding.seed` and the user's text: its draws depend on nothing else in
    the batch."""
    if seed is None:
        return secrets.randbits(63)
    digest = hashlib.sha256(f"{seed}\n{question}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def choose(
    logits: torch.Tensor, decoding: Decoding, generators: Sequence[torch.Generator]
) -> torch.Tensor:
    """The next token of each row.

    Args:
        logits: (n, V) float32.
        generators: n on the CPU, one number is taken of each; not used at temperature 0.

    Returns:
        (n,) int64.
    """
    if decoding.temperature == 0:
        return logits.argmax(-1)
    # In float64: a low temperature would overflow, and a long sum of small shares lose its end.
    ranked, order = logits.double().sort(dim=-1, descending=True, stable=True)
    shares = ((ranked - ranked[:, :1]) / decoding.temperature).softmax(-1)
    if decoding.top_k:
        shares[:, decoding.top_k :] = 0.0
        shares /= shares.sum(-1, keepdim=True)
    if decoding.top_p < 1:
        before = shares.cumsum(-1) - shares
        shares = shares.masked_fill(before >= decoding.top_p, 0.0)
    sums = shares.cumsum(-1)
    drawn = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in generators])
    at = torch.searchsorted(sums, drawn.to(sums.device)[:, None] * sums[:, -1:], right=True)
    return order.gather(1, at.clamp(max=order.shape[1] - 1))[:, 0]


def likelihoods(logits: torch.Tensor, chosen: torch.Tensor) -> list[float]:
    """Natural logarithms of the probabilities of (n,) tokens by the softmax of (n, V) logits.

    Raises:
        CaptionerError: a row's logits hold NaN or infinity, of which every sum is NaN.
    """
    picked = logits.gather(1, chosen[:, None])[:, 0]
    found: list[float] = (picked - logits.logsumexp(-1)).tolist()
    if not all(map(math.isfinite, found)):
        raise not_finite()
    return found


def not_finite() -> CaptionerError:
    """The error of an answer that would be made from NaN or infinity."""
    return CaptionerError(
        "the model computes NaN or infinite scores for its answer, so there is none; check its "
        "weights, or load it in float32"
    )


__all__ = ["choose", "guided", "likelihoods", "not_finite", "row_seed"]
