"""Our own models as captioner. torch is imported when the weights are first needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finecaption.captioners.fingerprint import fingerprint
from finecaption.captioners.protocol import Query, check_batch
from finecaption.errors import InputError
from finecaption.types import instruction

if TYPE_CHECKING:
    from finecaption.captioner import FineCaption


def shipped(name: str) -> Path | None:
    """The folder of a model that comes with the package; None if none has this name."""
    if name in ("", ".", "..") or Path(name).name != name:
        return None
    folder = Path(str(files("finecaption"))) / "pretrained" / name
    return folder if (folder / "config.json").is_file() else None


class FineCaptionCaptioner:
    """A FineCaption checkpoint, of any configuration: with or without ConvNeXt, SAM or a mask path.

    Args:
        folder: that `save_pretrained` of model and processor wrote.
        name: for records; the folder's, if None.
        device: of torch; cuda if there is one, by default.
        max_new_tokens: cap on an answer; the model's own, if None.

    Raises:
        InputError: max_new_tokens below 1.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str | None = None,
        device: str | None = None,
        max_new_tokens: int | None = None,
    ) -> None:
        if max_new_tokens is not None and max_new_tokens < 1:
            raise InputError(f"max_new_tokens: is {max_new_tokens}; it must be at least 1")
        self.folder = Path(folder)
        self.name = name or self.folder.resolve().name
        self.max_new_tokens = max_new_tokens
        self._device = device
        self._loaded: FineCaption | None = None
        self._hash: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """See `Captioner.identity`."""
        if self._hash is None:
            self._hash = fingerprint(self.folder)
        return {
            "name": self.name,
            "kind": "finecaption",
            "sha256": self._hash,
            "region": "mask",
            "settings": {"max_new_tokens": self.max_new_tokens, "temperature": 0},
        }

    @property
    def model(self) -> FineCaption:
        """The model, loaded on first use.

        Raises:
            InputError: it cannot be read, or the device cannot be used.
        """
        if self._loaded is None:
            from finecaption.captioner import FineCaption

            self._loaded = FineCaption.from_pretrained(self.folder, self._device)
        return self._loaded

    def caption(self, batch: Sequence[Query]) -> list[str]:
        """See `Captioner.caption`. A picture goes through the towers once, a region through CLIP
        once, whatever number of queries they have."""
        asked = check_batch(batch)
        if not asked:
            return []
        from finecaption.generation import describe

        pictures: dict[int, int] = {}
        regions: dict[tuple[int, int | None], int] = {}
        places: list[tuple[int, int]] = []  # of each query: region, question
        images: list[Any] = []
        masks: list[Any] = []
        index: list[int] = []
        questions: list[list[str]] = []
        for one in asked:
            at = pictures.setdefault(id(one.picture), len(pictures))
            if at == len(images):
                images.append(one.picture)
            key = at, None if one.region is None else id(one.region)
            region = regions.setdefault(key, len(regions))
            if region == len(masks):
                masks.append(None if one.region is None else one.region.mask)
                index.append(at)
                questions.append([])
            text = instruction(one.task, one.attribute)
            if text not in questions[region]:
                questions[region].append(text)
            places.append((region, questions[region].index(text)))
        told = describe(
            self.model.model, self.model.processor, images, masks, questions, image_index=index,
            max_new_tokens=self.max_new_tokens,
        )  # fmt: skip
        return [told[region][number] for region, number in places]
