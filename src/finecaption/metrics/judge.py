"""A text model as judge, behind any OpenAI-compatible address.

Asked at temperature 0 with a fixed seed, and each reply is kept: asking again gives the same
figures and costs nothing, and a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from finecaption.errors import FineCaptionError
from finecaption.metrics.missing import INSTALL, Unavailable
from finecaption.metrics.replies import Replies

Verdict = TypeVar("Verdict")


class JudgeError(FineCaptionError):
    """The judge refuses, cannot be reached, or answers with something that is no verdict."""


class Judge(Protocol):
    """What DLC-Bench, CLAIR and the rubric ask: texts in, texts out, in order."""

    @property
    def identity(self) -> dict[str, Any]:
        """What figures depend on: model and settings, for reports."""
        ...

    def ask(self, prompts: Sequence[str], accept: Callable[[str], bool] | None = None) -> list[str]:
        """A reply to each prompt; `accept` tells whether one can be read."""
        ...


class ServedJudge:
    """A model at an OpenAI-compatible address (chat completions).

    Raises:
        Unavailable: no openai package.
    """

    def __init__(
        self,
        address: str,
        model: str,
        replies: str | os.PathLike[str] | None = None,
        *,
        key_variable: str = "OPENAI_API_KEY",
        seed: int | None = 0,
        max_tokens: int = 300,
        workers: int = 4,
        tries: int = 5,
        timeout: float = 120.0,
        again: int = 2,
    ) -> None:
        """
        Args:
            address: base URL, up to and with `/v1`.
            model: its name there.
            replies: file that keeps the replies; None keeps none.
            key_variable: environment variable with the key; servers of your own may need none.
            seed: sent along; None sends none, for servers that refuse it.
            max_tokens: of a reply.
            workers: requests under way at once; the figures do not depend on it.
            tries: of a request when the server is busy, breaks down or cannot be reached.
            timeout: of a try, seconds.
            again: how often a reply that cannot be read is asked for again, each time with the
                next seed.
        """
        try:
            import openai
        except ImportError as error:
            raise Unavailable(f"no openai package: {INSTALL} brings it") from error
        self._openai = openai
        self._client = openai.OpenAI(
            base_url=address,
            api_key=os.environ.get(key_variable) or "none",
            max_retries=max(0, tries - 1),
            timeout=timeout,
        )
        self.address, self.model = address, model
        self.seed, self.max_tokens = seed, max_tokens
        self.workers, self.again = max(1, workers), again
        self._replies = Replies(replies)
        self.requests = 0
        """How many replies were fetched, not found among the kept."""

    @property
    def identity(self) -> dict[str, Any]:
        """See Judge."""
        return {
            "model": self.model,
            "temperature": 0,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
        }

    def ask(self, prompts: Sequence[str], accept: Callable[[str], bool] | None = None) -> list[str]:
        """A reply to each prompt, in order; kept ones are not asked for.

        Raises:
            JudgeError: see there. What was answered before is kept.
        """
        unique = list(dict.fromkeys(prompts))
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(self._one, prompt, accept) for prompt in unique]
            try:
                told = dict(zip(unique, (f.result() for f in futures), strict=True))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return [told[prompt] for prompt in prompts]

    def _one(self, prompt: str, accept: Callable[[str], bool] | None) -> str:
        reply = ""
        for turn in range(1 + (self.again if accept is not None else 0)):
            request: dict[str, Any] = {
                "model": self.model,
                "messages": [{"role": "user", "content": prompt}],
                "temperature": 0,
                "top_p": 1,
                "max_tokens": self.max_tokens,
            }
            if self.seed is not None:
                request["seed"] = self.seed + turn
            # without a seed, the turn alone tells the second asking from the first
            named = request if self.seed is not None or not turn else {**request, "turn": turn}
            kept = self._replies.get(named)
            reply = kept if kept is not None else self._replies.put(named, self._fetch(request))
            if accept is None or accept(reply):
                return reply
        raise JudgeError(
            f"{self.model}: gives no verdict that can be read, only {reply[:200]!r}; try another "
            "model, or more max_tokens"
        )

    def _fetch(self, request: dict[str, Any]) -> str:
        openai = self._openai
        self.requests += 1
        try:
            done = self._client.chat.completions.create(**request)
        except openai.APIStatusError as error:
            raise JudgeError(
                f"{self.address}: refuses the request ({error}); check address, model and key"
            ) from error
        except openai.APIConnectionError as error:  # time-outs too
            raise JudgeError(
                f"{self.address}: cannot be reached ({error}); the same command goes on later"
            ) from error
        choices = getattr(done, "choices", None)
        text = choices[0].message.content if choices else None
        if not text:
            raise JudgeError(f"{self.address}: gives an empty reply")
        return str(text)

    def close(self) -> None:
        """Closes the file of replies and the connection."""
        self._client.close()
        self._replies.close()

    def __enter__(self) -> ServedJudge:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


def verdicts(
    judge: Judge, prompts: Sequence[str], parse: Callable[[str], Verdict | None]
) -> list[Verdict]:
    """Asks, and reads each reply; one that `parse` cannot read (None) is asked for again.

    Raises:
        JudgeError: as `ask`, or a reply that cannot be read stays so.
    """
    out = []
    for reply in judge.ask(prompts, lambda text: parse(text) is not None):
        verdict = parse(reply)
        if verdict is None:
            raise JudgeError(f"the judge gives no verdict that can be read, only {reply[:200]!r}")
        out.append(verdict)
    return out
