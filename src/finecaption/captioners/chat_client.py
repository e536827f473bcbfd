"""A client of chat completions at any OpenAI-compatible address: retries, rate limit, answers.

Servers differ in how they answer. Thoughts are removed; refusals, errors told with status 200 and
answers that are cut before their first full sentence are errors with the server's own words.
"""

from __future__ import annotations

import os
import re
from typing import Any

from PIL import Image

from finecaption.captioners.retries import Passing, RateLimit, retry
from finecaption.errors import CaptionerError, FineCaptionError, InputError
from finecaption.io.html import data_uri

_PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THOUGHT = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_CLOSE_THOUGHT = re.compile(r"^.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_SENTENCES = re.compile(r"^.*[.!?][\"')\]]*(?=\s|$)", re.DOTALL)


class ChatClient:
    """Asks chat completions, one request per question.

    Args:
        address: base URL, up to and with `/v1`.
        model: its name there.
        key_variable: environment variable with the key; servers of your own may need none.
        per_minute: requests at most; None: no limit.
        workers: requests under way at once, for those who ask from several threads.
        tries: of each request, when the server is busy, breaks down or cannot be reached.
        timeout: of a try, seconds.
        side: images are made no larger than this many pixels on their longer side.
        max_tokens: of an answer.
        first_wait: seconds before the second try.

    Raises:
        InputError: a setting out of range.
        FineCaptionError: the openai package is missing.
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        key_variable: str = "OPENAI_API_KEY",
        per_minute: float | None = None,
        workers: int = 4,
        tries: int = 5,
        timeout: float = 120.0,
        side: int = 1024,
        max_tokens: int = 300,
        first_wait: float = 1.0,
    ) -> None:
        for name, value in (("workers", workers), ("tries", tries), ("side", side)):
            if value < 1:
                raise InputError(f"{name}: is {value}; it must be at least 1")
        if per_minute is not None and per_minute <= 0:
            raise InputError(f"per_minute: is {per_minute}; it must be positive")
        try:
            import openai
        except ImportError as error:
            raise FineCaptionError(
                'a served captioner needs the extra packages of: pip install "finecaption[data]"'
            ) from error
        self._openai = openai
        self._client = openai.OpenAI(
            base_url=address,
            api_key=os.environ.get(key_variable) or "none",
            max_retries=0,  # retry() does it, under the rate limit
            timeout=timeout,
        )
        self._limit = RateLimit(per_minute)
        self.address, self.model = address, model
        self.workers, self.tries, self.side = workers, tries, side
        self.max_tokens, self.first_wait = max_tokens, first_wait

    def ask(self, content: list[dict[str, Any]]) -> tuple[str, int]:
        """The answer to a user's message, and the number of tries that it took.

        Args:
            content: parts of a chat message: `image_url` and `text`.

        Raises:
            CaptionerError: no answer after all tries, or one that is no description: a refusal, an
                error in the server's words, or a text that is cut in its first sentence.
        """
        try:
            return retry(lambda: self._request(content), self._limit, self.tries, self.first_wait)
        except Passing as failure:
            raise CaptionerError(
                f"{self.address}: no answer after {self.tries} tries ({failure.cause}); try later: "
                "the same command goes on"
            ) from failure.cause

    def _request(self, content: list[dict[str, Any]]) -> str:
        openai = self._openai
        messages: Any = [{"role": "user", "content": content}]  # the client's own types are many
        try:
            done = self._client.chat.completions.create(
                model=self.model,
                messages=messages,
                temperature=0,
                max_tokens=self.max_tokens,
            )
        except openai.APIStatusError as error:
            if error.status_code in _PASSING:
                raise Passing(error, _asked_wait(error.response.headers)) from error
            raise CaptionerError(
                f"{self.address}: refuses the request ({error}); check address, model and key"
            ) from error
        except openai.APIConnectionError as error:  # time-outs too
            raise Passing(error) from error
        # a body that is cut, or nested without end
        except (ValueError, RecursionError, openai.APIResponseValidationError) as error:
            raise Passing(ValueError(f"the answer is not JSON: {error}")) from error
        return self._text(done)

    def _text(self, done: Any) -> str:
        """The description in a completion, however the server words it."""
        told = getattr(done, "error", None)
        if told:
            words = told.get("message", told) if isinstance(told, dict) else told
            raise CaptionerError(f"{self.address}: answers with an error: {words}")
        choice = next(iter(getattr(done, "choices", None) or ()), None)
        message = getattr(choice, "message", None)
        if message is None:
            raise Passing(ValueError("the answer holds no message"))
        refusal = getattr(message, "refusal", None)
        if refusal:
            raise CaptionerError(f"{self.address}: the model refuses to answer: {refusal}")
        cut = getattr(choice, "finish_reason", None) == "length"
        text = _without_thoughts(_joined(getattr(message, "content", None)))
        if cut:
            found = None if text is None else _SENTENCES.match(text)
            text = found[0] if found else None
        if text is None:
            raise CaptionerError(
                f"{self.address}: the answer is cut after {self.max_tokens} tokens; raise the "
                "model's limit, or turn its thinking off"
            )
        if not text:
            raise Passing(ValueError("the answer is empty"))
        return text


def _joined(content: Any) -> str:
    """The text of a message's content: a text, or a list of parts."""
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else []
    texts = [part if isinstance(part, str) else _part_text(part) for part in parts]
    return "".join(texts).strip()


def _part_text(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else getattr(part, "text", None)
    return text if isinstance(text, str) else ""


def _without_thoughts(text: str) -> str | None:
    """The text without what a model thought aloud; None if it is cut within a thought."""
    text = _THOUGHTS.sub("", text)
    text = _CLOSE_THOUGHT.sub("", text)  # some templates leave the opening tag in the prompt
    return None if _OPEN_THOUGHT.search(text) else text.strip()


def _asked_wait(headers: Any) -> float | None:
    """Seconds of Retry-After, where it gives them."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def fit_side(image: Image.Image, side: int) -> Image.Image:
    """The image, its longer side no longer than so many pixels.

    An alpha channel is resized apart: Pillow resizes RGBA by premultiplied alpha, which would
    blacken the colors where the alpha is 0, and here alpha marks a region of an image that is
    shown whole.
    """
    scale = side / max(image.size)
    if scale >= 1:
        return image.copy()
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if image.mode != "RGBA":
        return image.resize(size, Image.Resampling.LANCZOS)
    colors = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    colors.putalpha(image.getchannel("A").resize(size, Image.Resampling.LANCZOS))
    return colors


def png_url(image: Image.Image) -> str:
    """The image as a data URL."""
    return data_uri(image, "png")
