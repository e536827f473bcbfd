"""Any vision model behind an OpenAI-compatible address as captioner, through the openai client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from finecaption.data.annotate.captioners import Ask, CaptionerError, Said
from finecaption.data.annotate.limits import Passing, RateLimit, retry
from finecaption.data.annotate.prompts import does_not_apply, prompt
from finecaption.errors import FineCaptionError, InputError
from finecaption.io import masks
from finecaption.io.html import data_uri

SHOWN = ("outline", "alpha")
"""How a region is shown: outlined in red, with a second picture from near by; or as the opaque part
of an RGBA PNG, as servers of describe-anything take it."""

_PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_MARGIN = 0.25  # of the region's box, around it in the near picture


class OpenAICaptioner:
    """Asks chat completions, a request a question.

    Args:
        address: base URL, up to and with `/v1`.
        model: its name there.
        key_variable: environment variable with the key; servers of your own may need none.
        shown: one of SHOWN.
        per_minute: requests at most; None: no limit.
        workers: requests under way at once.
        tries: of each request, when the server is busy, breaks down or cannot be reached.
        timeout: of a try, seconds.
        side: pictures are made no larger than this many pixels on their longer side.
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
        shown: str = "outline",
        per_minute: float | None = None,
        workers: int = 4,
        tries: int = 5,
        timeout: float = 120.0,
        side: int = 1024,
        max_tokens: int = 300,
        first_wait: float = 1.0,
    ) -> None:
        if shown not in SHOWN:
            raise InputError(f"shown: must be one of {', '.join(SHOWN)}; got {shown!r}")
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
        key = os.environ.get(key_variable) or "none"
        self._client = openai.OpenAI(
            base_url=address,
            api_key=key,
            max_retries=0,  # retry() does it, under the rate limit
            timeout=timeout,
        )
        self._limit = RateLimit(per_minute)
        self.address, self.model, self.shown = address, model, shown
        self.workers, self.tries, self.side = workers, tries, side
        self.max_tokens, self.first_wait = max_tokens, first_wait

    @property
    def identity(self) -> dict[str, Any]:
        """Model, address and all that an answer depends on; never the key."""
        return {
            "kind": "openai",
            "model": self.model,
            "address": self.address,
            "shown": self.shown,
            "side": self.side,
            "max_tokens": self.max_tokens,
            "temperature": 0,
        }

    def answer(self, picture: Image.Image, asks: Sequence[Ask]) -> Iterator[tuple[int, Said]]:
        """See `Captioner.answer`."""
        pool = ThreadPoolExecutor(min(self.workers, max(1, len(asks))))
        try:
            pictures = {id(ask.mask): self._show(picture, ask.mask) for ask in asks}
            futures = {
                pool.submit(self._one, ask, pictures[id(ask.mask)]): number
                for number, ask in enumerate(asks)
            }
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _show(self, picture: Image.Image, mask: np.ndarray | None) -> list[str]:
        """The pictures of a question as data URLs."""
        if mask is None:
            return [_url(_fit(picture, self.side))]
        if self.shown == "alpha":
            alpha = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
            rgba = picture.convert("RGB")
            rgba.putalpha(alpha)
            return [_url(_fit(rgba, self.side))]
        return [_url(part) for part in outlined(picture, mask, self.side)]

    def _one(self, ask: Ask, pictures: list[str]) -> Said:
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": url}} for url in pictures
        ]
        content.append({"type": "text", "text": prompt(ask.task, ask.attribute, self.shown)})
        text, tries = self.ask(content)
        if ask.task == "aarc" and does_not_apply(text):
            return Said(None, tries)
        return Said(text, tries)

    def ask(self, content: list[dict[str, Any]]) -> tuple[str, int]:
        """The answer to a user's message, and the number of tries that it took.

        Args:
            content: parts of a chat message: `image_url` and `text`.

        Raises:
            CaptionerError: no answer after all tries, or a refusal.
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
        choices = getattr(done, "choices", None)
        text = (choices[0].message.content or "").strip() if choices else ""
        if not text:
            raise Passing(ValueError("the answer is empty"))
        return text


def _asked_wait(headers: Any) -> float | None:
    """Seconds of Retry-After, where it gives them."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def outlined(picture: Image.Image, mask: np.ndarray, side: int) -> list[Image.Image]:
    """The picture with the region outlined in red, and the region from near by, not outlined.

    Args:
        picture: RGB.
        mask: bool (H, W) of the picture.
        side: longest side of either.
    """
    whole = _fit(picture.convert("RGB"), side)
    small = masks.resize_mask(mask, whole.size)
    draw = ImageDraw.Draw(whole)
    for loop in masks.contours(small if small.any() else _box_of(mask, whole.size)):
        points = [(int(x), int(y)) for x, y in loop]
        draw.line([*points, points[0]], fill=(255, 0, 0), width=max(2, max(whole.size) // 250))
    x0, y0, x1, y1 = masks.box_from_mask(mask)
    dx, dy = _MARGIN * (x1 - x0) + 4, _MARGIN * (y1 - y0) + 4
    box = (
        max(0, round(x0 - dx)),
        max(0, round(y0 - dy)),
        min(picture.width, round(x1 + dx)),
        min(picture.height, round(y1 + dy)),
    )
    return [whole, _fit(picture.convert("RGB").crop(box), side)]


def _box_of(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The box of a mask that is thinner than a pixel at this (width, height)."""
    x0, y0, x1, y1 = masks.box_from_mask(mask)
    height, width = mask.shape
    sx, sy = size[0] / width, size[1] / height
    return masks.mask_from_box((x0 * sx, y0 * sy, x1 * sx, y1 * sy), size)


def _fit(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    if scale >= 1:
        return picture.copy()
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _url(picture: Image.Image) -> str:
    return data_uri(picture, "png")
