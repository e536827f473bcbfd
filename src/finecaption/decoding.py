"""How answers are written: settings of decoding, checked when they are made. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from finecaption.errors import InputError

MAX_NEW_TOKENS = 256
"""Cap on an answer's length; the longest paragraph of the synthetic scenes has under 200 tokens."""

LENGTHS = ("brief", "sentence", "paragraph")
MAX_BEAMS = 32


@dataclass(frozen=True)
class Decoding:
    """How answers are written. The default is greedy: the most likely token at each step.

    Raises:
        InputError: a value is out of its range; the message names the field.
    """

    max_new_tokens: int | None = None
    """Cap on each answer, in tokens; None: `MAX_NEW_TOKENS`."""
    temperature: float = 0.0
    """0 is greedy; above, tokens are sampled from softmax(logits / temperature)."""
    top_p: float = 1.0
    """Nucleus sampling: sample from the most likely tokens that together have this probability, in
    (0, 1]."""
    top_k: int = 0
    """Sample from this many of the most likely tokens; 0: from all."""
    seed: int | None = None
    """Random seed for sampling: the same seed gives the same answers in any batch.
    None: a new one each time."""
    beams: int = 1
    """Above 1: beam search of this width (length penalty 1, mean log-probability decides)."""
    length: str | None = None
    """"brief": the first clause, up to a comma or the like, without the mark that ends it.
    "sentence": the first sentence. "paragraph" or None: all that the model writes. Answers are
    cut, and not written further, once they are long enough; the question stays the same."""
    guidance: float = 0.0
    """g in logits = r + g (r - w), r for the region, w for the whole image's mask: above 0, what
    sets the region apart counts more. 0 is off; otherwise a token costs twice."""

    def __post_init__(self) -> None:
        if self.max_new_tokens is not None:
            _whole(self.max_new_tokens, "max_new_tokens", 1)
        _real(self.temperature, "temperature", 0.0)
        _real(self.top_p, "top_p", 0.0, 1.0)
        if self.top_p == 0:
            raise InputError("top_p: must be above 0 and at most 1; got 0")
        _whole(self.top_k, "top_k", 0)
        if self.seed is not None:
            _whole(self.seed, "seed", 0)
        _whole(self.beams, "beams", 1, MAX_BEAMS)
        if self.beams > 1 and self.temperature > 0:
            raise InputError(
                f"beams: {self.beams} of them search for the likeliest answer and draw nothing; "
                "set temperature to 0, or beams to 1"
            )
        if self.length is not None and self.length not in LENGTHS:
            raise InputError(f"length: must be one of {', '.join(LENGTHS)}; got {self.length!r}")
        _real(self.guidance, "guidance", 0.0)

    @property
    def tokens(self) -> int:
        """The cap on each answer."""
        return MAX_NEW_TOKENS if self.max_new_tokens is None else self.max_new_tokens

    @property
    def plain(self) -> bool:
        """Whether answers are greedy and complete: those that confidence is calibrated for."""
        usual = self.temperature == 0 and self.beams == 1 and self.guidance == 0
        return usual and self.length in (None, "paragraph")


def _whole(value: object, name: str, least: int, most: int | None = None) -> None:
    good = isinstance(value, int) and not isinstance(value, bool)
    if not good or value < least or (most is not None and value > most):  # type: ignore[operator]  # good says it is one
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise InputError(f"{name}: must be a whole number, {limits}; got {value!r}")


def _real(value: object, name: str, least: float, most: float | None = None) -> None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    good = good and math.isfinite(value)  # type: ignore[arg-type]  # good says it is one
    if not good or value < least or (most is not None and value > most):  # type: ignore[operator]  # as above
        limits = f"at least {least:g}" if most is None else f"{least:g} to {most:g}"
        raise InputError(f"{name}: must be a number, {limits}; got {value!r}")


def capped(decoding: Decoding | None, max_new_tokens: int | None) -> Decoding | None:
    """The settings with another cap on the tokens of an answer; None leaves them as they are."""
    if max_new_tokens is None:
        return decoding
    return replace(decoding or Decoding(), max_new_tokens=max_new_tokens)


__all__ = ["LENGTHS", "MAX_BEAMS", "MAX_NEW_TOKENS", "Decoding", "capped"]
