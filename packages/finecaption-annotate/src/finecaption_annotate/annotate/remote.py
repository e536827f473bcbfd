"""Any vision model behind an OpenAI-compatible address as captioner, through the openai client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from finecaption.captioners.chat_client import ChatClient, fit_side, png_url
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption_annotate.annotate.captioners import Ask, Said
from finecaption_annotate.annotate.prompts import does_not_apply, prompt

SHOWN = ("outline", "alpha")
"""How a region is shown: outlined in red, with a second picture from near by; or as the opaque part
of an RGBA PNG, as servers of describe-anything take it."""

_MARGIN = 0.25  # of the region's box, around it in the near picture


class OpenAICaptioner:
    """Asks chat completions, a request a question.

    Args:
        address: base URL, up to and with `/v1`.
        model: its name there.
        shown: one of SHOWN.
        settings: of `finecaption.captioners.chat_client.ChatClient`.

    Raises:
        InputError: a setting out of range.
        FineCaptionError: the openai package is missing.
    """

    def __init__(
        self, address: str, model: str, *, shown: str = "outline", **settings: Any
    ) -> None:
        if shown not in SHOWN:
            raise InputError(f"shown: must be one of {', '.join(SHOWN)}; got {shown!r}")
        self.client = ChatClient(address, model, **settings)
        self.shown = shown

    @property
    def identity(self) -> dict[str, Any]:
        """Model, address and all that an answer depends on; never the key."""
        return {
            "kind": "openai",
            "model": self.client.model,
            "address": self.client.address,
            "shown": self.shown,
            "side": self.client.side,
            "max_tokens": self.client.max_tokens,
            "temperature": 0,
        }

    def answer(self, picture: Image.Image, asks: Sequence[Ask]) -> Iterator[tuple[int, Said]]:
        """See `Captioner.answer`."""
        pool = ThreadPoolExecutor(min(self.client.workers, max(1, len(asks))))
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
            return [png_url(fit_side(picture, self.client.side))]
        if self.shown == "alpha":
            alpha = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
            rgba = picture.convert("RGB")
            rgba.putalpha(alpha)
            return [png_url(fit_side(rgba, self.client.side))]
        return [png_url(part) for part in outlined(picture, mask, self.client.side)]

    def _one(self, ask: Ask, pictures: list[str]) -> Said:
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": url}} for url in pictures
        ]
        content.append({"type": "text", "text": prompt(ask.task, ask.attribute, self.shown)})
        text, tries = self.client.ask(content)
        if ask.task == "aarc" and does_not_apply(text):
            return Said(None, tries)
        return Said(text, tries)


def outlined(picture: Image.Image, mask: np.ndarray, side: int) -> list[Image.Image]:
    """The picture with the region outlined in red, and the region from near by, not outlined.

    Args:
        picture: RGB.
        mask: bool (H, W) of the picture.
        side: longest side of either.
    """
    whole = fit_side(picture.convert("RGB"), side)
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
    return [whole, fit_side(picture.convert("RGB").crop(box), side)]


def _box_of(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The box of a mask that is thinner than a pixel at this (width, height)."""
    x0, y0, x1, y1 = masks.box_from_mask(mask)
    height, width = mask.shape
    sx, sy = size[0] / width, size[1] / height
    return masks.mask_from_box((x0 * sx, y0 * sy, x1 * sx, y1 * sy), size)
