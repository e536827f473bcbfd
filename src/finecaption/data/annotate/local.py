"""A FineCaption checkpoint as captioner. It is handed in loaded: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from PIL import Image

from finecaption.data.annotate.captioners import Ask, Said
from finecaption.synth.reading import is_not_applicable
from finecaption.types import Region


class _Model(Protocol):
    """As much of `finecaption.FineCaption` as is used."""

    name: str

    def encode(self, image: Any) -> Any: ...

    def caption(
        self,
        image: Any,
        *,
        regions: Iterable[Any] = (),
        attributes: Sequence[str] | None = None,
        dense: bool = False,
        whole: bool = False,
    ) -> Any: ...


class LocalCaptioner:
    """Asks a loaded `finecaption.FineCaption`, all questions of a region at once.

    Args:
        model: the model.
        version: what tells its weights from others of the same name, such as a hash.
    """

    def __init__(self, model: _Model, version: str = "") -> None:
        self.model, self.version = model, version

    @property
    def identity(self) -> dict[str, Any]:
        """Name and version."""
        return {"kind": "finecaption", "model": self.model.name, "version": self.version}

    def answer(self, picture: Image.Image, asks: Sequence[Ask]) -> Iterator[tuple[int, Said]]:
        """See `Captioner.answer`."""
        encoded = self.model.encode(picture)
        groups: dict[int, list[int]] = {}
        for number, ask in enumerate(asks):
            groups.setdefault(id(ask.mask), []).append(number)
        for numbers in groups.values():
            mask = asks[numbers[0]].mask
            if mask is None:
                whole = self.model.caption(encoded, whole=True).whole
                yield from ((number, Said(whole)) for number in numbers)
                continue
            names = [name for name in (asks[k].attribute for k in numbers) if name is not None]
            dense = any(asks[k].task == "rdc" for k in numbers)
            (told,) = self.model.caption(
                encoded, regions=[Region(mask)], attributes=names or None, dense=dense
            ).regions
            for number in numbers:
                name = asks[number].attribute
                if name is None:
                    yield number, Said(told.dense)
                    continue
                text = told.captions[name]
                # "It has no hair.", as models say that learnt it from the drawn world
                yield number, Said(None if is_not_applicable(text) else text)
