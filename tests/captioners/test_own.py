"""Our own models behind the protocol, and any captioner behind our own methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption import FineCaption
from finecaption.captioner import Ask
from finecaption.captioners import Captioner, Query, open_captioner, open_describer
from finecaption.captioners.describing import Describer
from finecaption.captioners.own import FineCaptionCaptioner
from finecaption.errors import InputError
from finecaption.generation import Decoding
from finecaption.types import Region


def test_answers_are_the_models_own(tiny_folder: Path, queries: list[Query]) -> None:
    captioner = open_captioner(str(tiny_folder), device="cpu", max_new_tokens=24)
    assert isinstance(captioner, FineCaptionCaptioner) and isinstance(captioner, Captioner)
    assert captioner.identity["kind"] == "finecaption" and len(captioner.identity["sha256"]) == 64
    told = captioner.caption(queries)
    model = captioner.model
    for query, text in zip(queries, told, strict=True):
        if query.region is None:
            assert text == model.caption(query.image, whole=True, max_new_tokens=24).whole
            continue
        (one,) = model.caption(
            query.image, regions=[query.region], attributes=query.attribute,
            dense=query.task == "rdc", max_new_tokens=24,
        ).regions  # fmt: skip
        assert text == (one.dense if query.attribute is None else one.captions[query.attribute])
    assert len(set(told)) >= 3
    assert captioner.caption([]) == []


def test_a_picture_goes_through_the_towers_once(
    tiny_folder: Path, queries: list[Query], monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = FineCaptionCaptioner(tiny_folder, device="cpu", max_new_tokens=4)
    network = captioner.model.model
    real = network.encode_image
    pictures: list[int] = []

    def counted(pixels: Any, *args: Any, **more: Any) -> Any:
        pictures.append(len(pixels))
        return real(pixels, *args, **more)

    monkeypatch.setattr(network, "encode_image", counted)
    other = Image.new("RGB", (50, 40))
    captioner.caption([*queries, Query(other, None, "cgic"), queries[0]])
    assert sum(pictures) == 2


class Echo:
    """Says what it is asked, and where."""

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": "echo", "kind": "echo"}

    def caption(self, batch: Sequence[Query]) -> list[str]:
        return [
            f"{q.attribute or q.task} of {'all' if q.region is None else q.region.box}"
            for q in batch
        ]


def test_describer_answers_as_fine_caption_does(tiny_folder: Path) -> None:
    """Same questions, same order, same shape of result, whatever is asked."""
    ours = FineCaption.from_pretrained(tiny_folder, device="cpu")
    echo = Describer(Echo())
    picture = Image.new("RGB", (64, 48), (90, 120, 60))
    mask = np.zeros((48, 64), bool)
    mask[10:20, 5:30] = True
    asks: list[dict[str, Any]] = [
        {},
        {"mask": mask},
        {"mask": mask, "attributes": "color"},
        {"regions": [mask, ~mask], "attributes": ["Color", "Hair"], "dense": True, "whole": True},
        {"mask": mask, "whole": True},
        {"dense": True},
    ]
    for ask in asks:
        a, b = ours.caption(picture, max_new_tokens=2, **ask), echo.caption(picture, **ask)
        assert (a.whole is None, len(a.regions)) == (b.whole is None, len(b.regions))
        for one, other in zip(a.regions, b.regions, strict=True):
            assert list(one.captions) == list(other.captions) and one.region == other.region
            assert (one.dense is None) == (other.dense is None)
    told = echo.caption(picture, mask=mask, attributes="color", dense=True, whole=True)
    assert told.regions[0].captions == {"Color": "Color of (5, 10, 30, 20)"}
    assert told.regions[0].dense == "rdc of (5, 10, 30, 20)" and told.whole == "cgic of all"
    assert told.model == "echo" and told.to_dict()["model"] == "echo"


def test_describer_of_many(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    seen: list[tuple[int, int]] = []
    told = Describer(Echo()).caption_many(
        [
            Ask(tmp_path / "a.png", whole=True),
            Ask(tmp_path / "none.png"),
            Ask(Image.new("RGB", (9, 9)), regions=((0, 0, 4, 4),), attributes=["Color"]),
        ],
        progress=lambda done, total: seen.append((done, total)),
    )
    first, missing, third = told
    assert not isinstance(first, InputError) and first.image == str(tmp_path / "a.png")
    assert isinstance(missing, InputError) and "no such file" in str(missing)
    assert not isinstance(third, InputError)
    assert third.regions[0].region == Region.from_box((0, 0, 4, 4), (9, 9))
    assert seen[-1] == (2, 2)


def test_describer_refuses_what_it_cannot_do() -> None:
    echo, picture = Describer(Echo()), Image.new("RGB", (9, 9))
    with pytest.raises(InputError, match=r"regions\[0\]: clicks are for our own models"):
        echo.caption(picture, regions=[{"points": [(1, 1)]}])
    with pytest.raises(InputError, match="attributes: are asked of a region"):
        echo.caption(picture, attributes="color")
    with pytest.raises(InputError, match="temperature: is a setting of our own models"):
        echo.caption(picture, decoding=Decoding(temperature=0.5))
    assert echo.caption(picture, decoding=Decoding()).whole == "cgic of all"


def test_a_foreign_checkpoint_describes_a_picture(
    tiny_checkpoint: Callable[[str], Path], scene: tuple[Image.Image, Region, Region]
) -> None:
    """What `finecaption caption --model FOLDER` does."""
    describer = open_describer(str(tiny_checkpoint("internvl")), device="cpu", max_new_tokens=6)
    picture, square, _ = scene
    result = describer.caption(
        picture, mask=square.mask, box=None, attributes=["Color"], whole=True
    )
    assert result.regions[0].captions["Color"] and result.whole
