"""A captioner for any vision model behind an OpenAI-compatible address."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from finecaption.captioners.chat_client import ChatClient, fit_side, png_url
from finecaption.captioners.families import FAMILIES, PROMPTS_VERSION, question
from finecaption.captioners.questions import Question, QuestionCaptioner
from finecaption.captioners.visual_prompts import VISUAL_PROMPTS, Shown, show
from finecaption.errors import InputError

OPENAI = "https://api.openai.com/v1"

# A served Qwen2.5-VL resizes in its own way, and Kosmos-2 is no chat model.
_FAMILIES = {f.name: f for f in FAMILIES if f.name not in ("kosmos-2", "qwen2.5-vl")}
SHOWN = (*VISUAL_PROMPTS, *_FAMILIES)
"""Ways of showing a region to a served model: visual prompts, or a family's own format."""


class ServedCaptioner(QuestionCaptioner):
    """Asks a chat-completions API, one HTTP request per question, several at a time.

    Args:
        address: base URL, up to and with `/v1`.
        model: its name there.
        shown: one of SHOWN. By default the box is drawn, as the paper's GPT-4o row has it.
        settings: as for `ChatClient`: key_variable, per_minute,
            workers, tries, timeout, side, max_tokens, first_wait.

    Raises:
        InputError: a setting out of range.
        FineCaptionError: the openai package is missing.
    """

    def __init__(self, address: str, model: str, *, shown: str = "box", **settings: Any) -> None:
        if shown not in SHOWN:
            raise InputError(f"shown: must be one of {', '.join(SHOWN)}; got {shown!r}")
        self.client = ChatClient(address, model, **settings)
        self.name, self.shown = model, shown

    @property
    def identity(self) -> dict[str, Any]:
        """See `finecaption.protocol.Captioner`; never the key."""
        return {
            "name": self.name,
            "kind": "openai",
            "sha256": None,
            "region": self.shown,
            "settings": {
                "address": self.client.address,
                "side": self.client.side,
                "max_tokens": self.client.max_tokens,
                "prompts": PROMPTS_VERSION,
                "temperature": 0,
            },
        }

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """See `QuestionCaptioner.answer`."""
        drawn: dict[tuple[int, int], tuple[str, str]] = {}  # (url, words), a region of an image
        contents = []
        for one in questions:
            key = id(one.image), id(one.region)
            if key not in drawn:
                shown = self._shown(one.image, None if one.region is None else one.region.mask)
                drawn[key] = png_url(fit_side(shown.picture, self.client.side)), shown.words
            url, words = drawn[key]
            contents.append(
                [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": self._question(one, words)},
                ]
            )
        pool = ThreadPoolExecutor(min(self.client.workers, max(1, len(questions))))
        try:
            return [" ".join(text.split()) for text, _ in pool.map(self.client.ask, contents)]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _shown(self, picture: Image.Image, mask: np.ndarray | None) -> Shown:
        family = _FAMILIES.get(self.shown)
        if mask is None:
            prepare = None if family is None else family.prepare
            return Shown(picture if prepare is None else prepare(picture), "")
        if family is not None:
            return family.refer(picture, mask, lambda size: size)
        return show(picture, mask, self.shown)

    def _question(self, one: Question, words: str) -> str:
        family = _FAMILIES.get(self.shown)
        ask = question if family is None else family.ask
        return ask(one.task, one.attribute, words)


def parse_address(name: str) -> tuple[str, str]:
    """(model, base URL) of `openai:MODEL@http://host:port`; `/v1` is added where there is no path.

    Raises:
        InputError: another form.
    """
    model, _, address = name.removeprefix("openai:").rpartition("@")
    try:
        parts = urlsplit(address)
        usable = bool(model) and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"model {name!r}: must be openai:MODEL@ADDRESS, such as "
            "openai:some-model@http://localhost:8000/v1"
        )
    return model, address if parts.path.strip("/") else f"{address.rstrip('/')}/v1"


def open_openai(model: str, **settings: Any) -> ServedCaptioner:
    """A model at OpenAI itself, or at OPENAI_BASE_URL.

    Raises:
        InputError: there is no key in OPENAI_API_KEY.
    """
    address = os.environ.get("OPENAI_BASE_URL") or OPENAI
    if address == OPENAI and not os.environ.get("OPENAI_API_KEY"):
        raise InputError(
            f"model {model!r}: is asked at {OPENAI}, and needs a key in OPENAI_API_KEY; for "
            f"another address, give openai:{model}@ADDRESS"
        )
    return ServedCaptioner(address, model, **settings)
