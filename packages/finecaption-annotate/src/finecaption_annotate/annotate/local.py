"""Any `finecaption.protocol.Captioner` as annotator; it is handed in, so torch is not imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from finecaption.errors import InputError
from finecaption.eval.truth import installed_truth
from finecaption.protocol import Captioner
from finecaption.request import DENSE, WHOLE, Request
from finecaption.types import Region
from finecaption_annotate.annotate.captioners import Ask, Said


class LocalCaptioner:
    """Gives a captioner all questions about an image at once, a request a region.

    Args:
        captioner: what answers.
    """

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner

    @property
    def identity(self) -> dict[str, Any]:
        """Kind, name and hash of the weights."""
        known = self.captioner.identity
        return {"kind": known["kind"], "model": known["name"], "version": known["sha256"]}

    def answer(self, picture: Image.Image, asks: Sequence[Ask]) -> Iterator[tuple[int, Said]]:
        """See `Captioner.answer`.

        Raises:
            InputError: the captioner cannot use the image or a region.
        """
        groups: dict[int, list[int]] = {}
        for number, ask in enumerate(asks):
            groups.setdefault(id(ask.mask), []).append(number)
        requests = [_request(picture, [asks[n] for n in group]) for group in groups.values()]
        results = self.captioner.caption_batch(requests)
        for numbers, result in zip(groups.values(), results, strict=True):
            if isinstance(result, InputError):
                raise result
            texts = {name: text for _, name, text in result.answers()}
            for number in numbers:
                name = asks[number].attribute
                if name is None:
                    yield number, Said(texts[WHOLE if asks[number].mask is None else DENSE])
                    continue
                # "It has no hair.", as models say that learned it from synthetic scenes
                text = texts[name]
                yield number, Said(None if _is_refusal(text) else text)


def _request(image: Image.Image, asks: Sequence[Ask]) -> Request:
    """All questions about one region, or about the whole image."""
    mask = asks[0].mask
    if mask is None:
        return Request(image, whole=True)
    names = [ask.attribute for ask in asks if ask.attribute is not None]
    return Request(image, [Region(mask)], names, dense=any(ask.task == "rdc" for ask in asks))


def _is_refusal(text: str) -> bool:
    """Whether a model that learned from synthetic scenes says that an attribute does not apply."""
    truth = installed_truth()
    return truth is not None and truth.is_refusal(text, None)
