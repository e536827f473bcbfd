"""What describes regions: one interface for our own models, foreign checkpoints and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from PIL import Image

from finecaption.errors import InputError
from finecaption.io.images import ImageSource, load_image
from finecaption.types import TASKS, Region, Task


class Query(NamedTuple):
    """One question. A plain tuple of the same four does too.

    Queries on one picture or one region should hold the same objects: what is done once for them
    is found by that.
    """

    image: ImageSource
    """Anything `finecaption.io.images.load_image` opens."""
    region: Region | None
    """None only for cgic: the whole picture."""
    task: Task
    attribute: str | None = None
    """Of aarc; names outside the 18 are asked for as they stand."""


@runtime_checkable
class Captioner(Protocol):
    """The interface of a captioner."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that an answer depends on, as plain JSON values, without loading weights.

        Keys: `name`; `kind` ("finecaption", "transformers" or "openai"); `sha256` of the weights
        and settings' files (None where they cannot be seen); `region`, how a region is shown; and
        `settings`.
        """
        ...

    def caption(self, batch: Sequence[Query]) -> list[str]:
        """The answers, one a query, in their order; an answer may be empty.

        Raises:
            InputError: a query that cannot be asked; the message gives its number.
            finecaption.data.annotate.CaptionerError: a server does not answer.
        """
        ...


class Asked(NamedTuple):
    """A query that has been checked, with its picture open."""

    picture: Image.Image
    """RGB, upright; the same object for the same `Query.image`."""
    region: Region | None
    task: Task
    attribute: str | None


def check_batch(batch: Sequence[Query]) -> list[Asked]:
    """Opens the pictures, each once, and checks every query.

    Raises:
        InputError: an unusable picture, an unknown task, a region that is missing or of another
            size, an attribute that is missing or out of place; the message gives the number.
    """
    opened: dict[int, Image.Image] = {}
    asked = []
    for number, entry in enumerate(batch):
        where = f"queries[{number}]"
        try:
            image, region, task, attribute = entry
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: must be (image, region, task, attribute)") from error
        if task not in TASKS:
            raise InputError(f"{where}.task: must be one of {', '.join(TASKS)}; got {task!r}")
        if (task == "aarc") != bool(attribute):
            raise InputError(
                f"{where}.attribute: aarc has one, and no other task; got {attribute!r}"
            )
        if id(image) not in opened:
            opened[id(image)] = load_image(image)
        picture = opened[id(image)]
        if region is None and task != "cgic":
            raise InputError(f"{where}.region: is missing; task {task} needs one")
        if region is not None and region.size != picture.size:
            raise InputError(
                f"{where}.region: is of a picture of {region.size[0]} x {region.size[1]} pixels; "
                f"this one has {picture.width} x {picture.height}"
            )
        asked.append(Asked(picture, None if task == "cgic" else region, task, attribute))
    return asked
