from __future__ import annotations

from pathlib import Path
from typing import Any

from finecaption.data.sources import open_source

from .conftest import MakePicture, WriteJson


def row(image: str, question: str = "Describe it.\n<image>", **changes: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": question}, {"from": "gpt", "value": "a blue thing "}]
    return {"id": Path(image).stem, "image": image, "conversations": turns, **changes}


def test_the_published_layout(tmp_path: Path, picture: MakePicture, write_json: WriteJson) -> None:
    picture("00453/004539375.jpg", (5, 4))
    picture("00223/ünï.jpg")
    write_json(
        "blip_laion_cc_sbu_558k.json",
        [
            row("00453/004539375.jpg"),
            row("00453/004539375.jpg", "<image>\nWhat is this?"),
            row("00223/ünï.jpg", "<image>"),
        ],
    )
    write_json("other.json", [])
    source = open_source("llava-pretrain", tmp_path, deep=True)
    first, second, third = source
    assert (first.task, first.mask, first.text) == ("cgic", None, "a blue thing")
    assert (first.size, first.image_id) == ((5, 4), "004539375")
    assert [s.instruction() for s in (first, second)] == ["Describe it.", "What is this?"]
    assert third.prompt is None and third.image_id == "ünï"
    assert "CC3M" in first.licence


def test_what_is_wrong_is_named(
    tmp_path: Path, picture: MakePicture, write_json: WriteJson
) -> None:
    picture("a.jpg")
    turns = row("a.jpg")["conversations"]
    file = write_json(
        "blip_laion_cc_sbu_558k.json",
        [
            row("a.jpg"),
            row("00001/none.jpg"),
            {"id": "x"},
            row("a.jpg", conversations=turns[:1]),
            row("a.jpg", conversations=turns[::-1]),
            row("a.jpg", conversations=[turns[0], {"from": "gpt", "value": None}]),
            row("a.jpg", conversations=[turns[0], {"from": "gpt", "value": " "}]),
            {**row("a.jpg"), "image": 7},
        ],
    )
    source = open_source("llava-pretrain", file, problems="skip")
    assert len(list(source)) == 1
    assert [(p.record, p.field) for p in source.problems] == [
        ("[1]", "image"), ("[2]", "image"), ("[3]", "conversations"),
        ("[4]", "conversations[0].from"), ("[5]", "conversations[1].value"), ("[6]", "text"),
        ("[7]", "image"),
    ]  # fmt: skip
