"""Any captioner of this package as a model of lmms-eval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lmms_eval.api.model import lmms  # type: ignore[import-not-found]  # its own environment
from PIL import Image

from finecaption.attributes import (
    REGION_PREFIX,
    custom_attribute,
    dense_instruction,
    global_instruction,
)
from finecaption.captioners.registry import open_captioner
from finecaption.errors import InputError
from finecaption.io.mask_values import opaque_part
from finecaption.request import Request
from finecaption.results import CaptionResult
from finecaption.types import Region

_AT_ONCE = 64


class LmmsFineCaption(lmms):
    """`--model finecaption --model_args pretrained=NAME`, NAME as for `open_captioner`.

    It answers tasks that hand over one image with the region as its opaque part, or one image
    without a region, and ask in the words of `finecaption.attributes`: those of `tasks/`.

    Raises:
        InputError: as `open_captioner`.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str = "finecaption-mini",
        device: str | None = None,
        batch_size: int | str = 8,
        shown: str | None = None,
        max_new_tokens: int | None = None,
        download: bool = False,
        **rest: Any,
    ) -> None:
        super().__init__()
        del rest  # of the harness: max_batch_size and the like
        self.captioner = open_captioner(
            pretrained,
            device=device,
            batch_size=int(batch_size),
            shown=shown,
            max_new_tokens=max_new_tokens,
            download=download,
        )

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Answers, in order."""
        answers: list[str] = []
        for first in range(0, len(requests), _AT_ONCE):
            part = requests[first : first + _AT_ONCE]
            texts = [
                _text(result)
                for result in self.captioner.caption_batch([self._asked(one) for one in part])
            ]
            for request, text in zip(part, texts, strict=True):
                self.cache_hook.add_partial("generate_until", request.args[:2], text)
            answers += texts
        return answers

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refused: a region is described in one round."""
        raise InputError("finecaption: answers in one round; choose a task of generate_until")

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refused: captions are generated."""
        raise InputError("finecaption: writes captions; choose a task of generate_until")

    def _asked(self, request: Any) -> Request:
        context, _, doc_to_visual, doc_id, task, split = request.args
        pictures = doc_to_visual(self.task_dict[task][split][doc_id])
        return request_of(context, pictures, f"{task}, document {doc_id}")


def request_of(context: str, pictures: Sequence[Image.Image], where: str) -> Request:
    """A harness's question as a request.

    Args:
        context: an instruction of `finecaption.attributes`.
        pictures: one; its opaque part is the region, if a part of it is transparent.
        where: for messages.

    Raises:
        InputError: another question, or not one image.
    """
    if len(pictures) != 1:
        raise InputError(f"{where}: hands over {len(pictures)} images; this model takes one")
    (picture,) = pictures
    said = context.strip()
    if said == global_instruction():
        return Request(picture.convert("RGB"), whole=True)
    if not said.startswith(REGION_PREFIX) or picture.mode != "RGBA":
        raise InputError(
            f"{where}: is no question on a region given as the opaque part of an image; this "
            "model answers the tasks in finecaption.captioners.harness"
        )
    opaque, colors = opaque_part(picture), picture.convert("RGB")
    region = Region.whole(picture.size) if opaque is None else Region(opaque)
    if said == dense_instruction():
        return Request(colors, [region], dense=True)
    name = said.removeprefix(REGION_PREFIX).strip().rstrip(".")
    return Request(colors, [region], [custom_attribute(name)])


def _text(result: CaptionResult | InputError) -> str:
    """The one answer; raises an error."""
    if isinstance(result, InputError):
        raise result
    ((_, _, text),) = result.answers()
    return text
