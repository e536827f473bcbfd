"""Any captioner behind the methods of `FineCaption`: what front ends ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from finecaption.captioners.protocol import Captioner, Query
from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.io.images import load_image
from finecaption.types import Caption, Region, RegionPrompt

if TYPE_CHECKING:
    from finecaption.captioner import Ask, CaptionResult
    from finecaption.generation import Decoding

_QUERIES_AT_ONCE = 64


class Describer:
    """`caption` and `caption_many` of a captioner that is not ours.

    A box is taken as the region itself, as foreign models know boxes; clicks need a mask first
    (`finecaption segment`, or any of ours).
    """

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        self.name = str(captioner.identity["name"])

    def caption(
        self,
        image: Any,
        *,
        mask: Any = None,
        box: Sequence[float] | None = None,
        regions: Sequence[Any] = (),
        attributes: Sequence[str] | str | None = None,
        dense: bool = False,
        whole: bool = False,
        decoding: Decoding | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> CaptionResult:
        """`FineCaption.caption`, with its arguments and errors, for this captioner.

        Raises:
            InputError: as there; clicks; a decoding other than greedy.
        """
        from finecaption.captioner import Ask

        given = [
            entry for entry in (mask, None if box is None else tuple(box)) if entry is not None
        ]
        ask = Ask(image, (*given, *regions), attributes, dense, whole)
        (result,) = self.caption_many([ask], decoding=decoding, progress=progress)
        if isinstance(result, InputError):
            raise result
        return result

    def caption_many(
        self,
        asks: Sequence[Ask],
        *,
        decoding: Decoding | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[CaptionResult | InputError]:
        """`FineCaption.caption_many` for this captioner.

        Raises:
            InputError: a decoding other than greedy; of a single ask, it is in its place instead.
            finecaption.data.annotate.CaptionerError: a server does not answer.
        """
        self._check(decoding)
        plans: list[_Plan | InputError] = []
        for ask in asks:
            try:
                plans.append(_Plan(ask))
            except InputError as error:
                plans.append(error)
        queries = [q for plan in plans if isinstance(plan, _Plan) for q in plan.queries]
        texts: list[str] = []
        for first in range(0, len(queries), _QUERIES_AT_ONCE):
            texts += self.captioner.caption(queries[first : first + _QUERIES_AT_ONCE])
            if progress is not None:
                progress(len(texts), len(queries))
        told = iter(texts)
        return [
            plan if isinstance(plan, InputError) else plan.result(told, self.name) for plan in plans
        ]

    def _check(self, decoding: Decoding | None) -> None:
        """Foreign models are asked greedily; their cap is set when they are opened."""
        if decoding is None:
            return
        from dataclasses import fields

        for field in fields(decoding):
            if getattr(decoding, field.name) != field.default:
                raise InputError(
                    f"{field.name}: is a setting of our own models; {self.name} answers greedily, "
                    "up to the max_new_tokens that it was opened with"
                )


class _Plan:
    """All that is asked of one picture."""

    def __init__(self, ask: Ask) -> None:
        from finecaption.captioner import DEFAULT_ATTRIBUTES, attribute_names

        self.ask = ask
        self.names = attribute_names(ask.attributes)
        given = list(ask.regions)
        if not given and self.names:
            raise InputError("attributes: are asked of a region; give a mask or a box")
        self.dense = ask.dense and bool(given)
        if given and not self.names and not ask.dense:
            self.names, self.dense = DEFAULT_ATTRIBUTES, True
        self.whole = ask.whole or not given
        source: Any = ask.image
        picture = load_image(getattr(source, "picture", source))  # an EncodedPicture has one
        self.regions = [
            _region(entry, picture.size, f"regions[{number}]") for number, entry in enumerate(given)
        ]
        self.queries: list[Query] = []
        for region in self.regions:
            self.queries += [Query(picture, region, "aarc", name) for name in self.names]
            self.queries += [Query(picture, region, "rdc")] * self.dense
        self.queries += [Query(picture, None, "cgic")] * self.whole

    def result(self, told: Any, model: str) -> CaptionResult:
        """Takes its answers off an iterator."""
        import os

        from finecaption.captioner import CaptionResult

        captions = []
        for region in self.regions:
            named = {name: next(told) for name in self.names}
            captions.append(Caption(region, named, next(told) if self.dense else None))
        image = self.ask.image
        return CaptionResult(
            tuple(captions),
            whole=next(told) if self.whole else None,
            image=os.fspath(image) if isinstance(image, (str, os.PathLike)) else None,
            model=model,
        )


def _region(entry: Any, size: Size, field: str) -> Region:
    from finecaption.captioner import as_region

    made = as_region(entry, size, field)
    if isinstance(made, Region):
        return made
    prompt: RegionPrompt = made.within(size)
    if prompt.points or prompt.box is None:
        raise InputError(
            f"{field}: clicks are for our own models; make a mask of them first (finecaption "
            "segment), or give a box"
        )
    return Region.from_box(prompt.box, size)
