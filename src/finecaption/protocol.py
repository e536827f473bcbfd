"""What answers requests: one interface for our models, other checkpoints and served models.

A front end holds a `Captioner` and knows no more. What only some captioners can do is a capability:
the captioner names it in `capabilities`, and `require` turns its absence into one clear error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, cast, get_args, runtime_checkable

from finecaption.errors import InputError
from finecaption.request import Request
from finecaption.results import CaptionResult, CaptionUpdate

Capability: TypeAlias = Literal[
    "stream", "choose", "token_logprobs", "click", "encode", "evidence", "decoding", "count_tokens"
]
"""stream: `Streaming`; choose, token_logprobs: `Scoring`; encode: `Encoding`; count_tokens:
`Counting`; decoding: it follows the settings of `Request.decoding`; click: boxes and clicks become
masks, by `encode` and `segmenter` of `finecaption.captioner.FineCaption`; evidence:
`finecaption.trust.attribution` can look into it."""
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)
"""All of them; models of finecaption have every one."""

Progress: TypeAlias = Callable[[int, int], None]
"""Is called with the number of finished answers, and of all."""


@runtime_checkable
class Captioner(Protocol):
    """The interface of a captioner."""

    @property
    def name(self) -> str:
        """The model's, for results."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """All that an answer depends on besides the request, as plain JSON values.

        Keys: `name`; `kind` ("finecaption", "transformers" or "openai"); `sha256` of the weights
        and settings' files (None where they cannot be seen); `region`, how a region is shown; and
        `settings`.
        """
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do besides `caption_batch`."""
        ...

    def caption_batch(
        self, requests: Sequence[Request], *, progress: Progress | None = None
    ) -> list[CaptionResult | InputError]:
        """Answers all requests together.

        All images are held at once; give a long job in parts (`finecaption.bulk` does).

        Args:
            requests: in any number; those about one image should hold the same object.
            progress: see `Progress`.

        Returns:
            One result per request, in order, or the error caused by its image or a region.

        Raises:
            finecaption.errors.CaptionerError: a server does not answer.
        """
        ...


class Streaming(Captioner, Protocol):
    """A captioner that shows its answers while it writes them."""

    def stream(self, request: Request) -> Iterator[CaptionUpdate]:
        """All answers to a request, which grow together, token by token.

        Raises:
            InputError: as of `caption_batch`, before the first update.
        """
        ...


class Scoring(Captioner, Protocol):
    """A captioner that gives probabilities to texts that it did not write."""

    def choose(
        self,
        image: Any,
        region: Any,
        attribute: str,
        choices: Sequence[str],
        *,
        template: str | Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Choice -> probability given that one of them is the answer; best first."""
        ...

    def token_logprobs(
        self, image: Any, region: Any, name: str, answers: Sequence[str]
    ) -> list[list[float]]:
        """For each answer, the natural log-probabilities of its tokens, the end included.

        Args:
            image, region: as in a `Request`; region None: the whole image.
            name: what is asked: an attribute, "dense" or "global".
            answers: texts.
        """
        ...


class Encoding(Captioner, Protocol):
    """A captioner that can encode an image once for several requests."""

    def encode(self, image: Any) -> Any:
        """The image for `Request.image`, with its `size` and `notice`."""
        ...


class Counting(Captioner, Protocol):
    """A captioner that knows its tokens."""

    def count_prompt(self, instruction: str) -> int:
        """Tokens of a question, those of the image included."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of an answer."""
        ...


def encode(captioner: Captioner, image: Any) -> Any:
    """The image as `Request.image` takes it: encoded if the captioner can do so, else as it is."""
    if "encode" in captioner.capabilities:
        return cast(Encoding, captioner).encode(image)
    return image


def updates(captioner: Captioner, request: Request) -> Iterator[CaptionUpdate]:
    """The answers to a request: as they are written, or where it cannot stream all at the end.

    Raises:
        InputError: as of `Captioner.caption_batch`, before the first update.
    """
    if "stream" in captioner.capabilities:
        yield from cast(Streaming, captioner).stream(request)
        return
    (result,) = captioner.caption_batch([request])
    if isinstance(result, InputError):
        raise result
    for number, name, text in result.answers():
        yield CaptionUpdate(number, name, text, True)


def require(captioner: Captioner, capability: Capability) -> None:
    """Raises InputError, with what to do instead, unless the captioner can do it."""
    if capability not in captioner.capabilities:
        raise InputError(f"{captioner.name}: {_MISSING[capability]}")


_MISSING: dict[Capability, str] = {
    "stream": "does not stream; ask for the finished answers",
    "choose": "cannot score given choices; only models of finecaption can",
    "token_logprobs": "gives no log-probabilities; only models of finecaption do",
    "click": "has no click segmenter; give masks (finecaption segment makes them)",
    "encode": "cannot encode an image ahead of its requests",
    "evidence": "cannot show its evidence; only models of finecaption can",
    "decoding": "takes no settings of decoding; only models of finecaption do",
    "count_tokens": "does not count tokens; only models of finecaption do",
}


__all__ = [
    "CAPABILITIES",
    "Capability",
    "Captioner",
    "Counting",
    "Encoding",
    "Progress",
    "Scoring",
    "Streaming",
    "encode",
    "require",
    "updates",
]
