"""LLaVA-Pretrain: 558,128 images with a caption each; what stage 1 trains the adapter on.

Layout: `blip_laion_cc_sbu_558k.json`, a list of `{"id", "image", "conversations": [{"from":
"human", "value": "...\\n<image>"}, {"from": "gpt", "value": "..."}]}`, images in folders beside
it (`00453/004539375.jpg`). `<image>` stands before or after the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from finecaption.data.sources.base import Source
from finecaption.data.sources.reading import annotation_files, json_items
from finecaption.errors import InputError
from finecaption.types import RegionSample


class LlavaPretrain(Source):
    """Each turn gives a cgic sample, asked in the data's own words (`prompt`)."""

    name = "llava-pretrain"
    licence = "captions: terms of CC3M, SBU and LAION, made with BLIP; pictures: their owners'"

    def _samples(self) -> Iterator[RegionSample]:
        for file in annotation_files(self.path, "blip_laion_cc_sbu_558k.json", "*.json"):
            with self.at(file):
                for item in json_items(file):
                    with self.at(file, item.place):
                        yield from self._record(item.value)

    def _record(self, record: Any) -> Iterator[RegionSample]:
        if not isinstance(record, dict) or "image" not in record:
            raise InputError("image: is missing; a record has id, image and conversations")
        turns = turns_of(record)
        picture = self.find_picture(record["image"])
        size = self.size_of(picture)
        image_id = record.get("id", record["image"])
        for question, answer in turns:
            asked = question.replace("<image>", "").strip() or None
            yield self.sample(picture, size, "cgic", answer, prompt=asked, image_id=image_id)


def turns_of(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(question, answer) pairs of LLaVA's `conversations`.

    Raises:
        InputError: not human and gpt by turns, each with text.
    """
    turns = record.get("conversations")
    if not isinstance(turns, list) or not turns or len(turns) % 2:
        raise InputError("conversations: must be a list of turns, human and gpt one by one")
    said: list[str] = []
    for index, turn in enumerate(turns):
        role = ("human", "gpt")[index % 2]
        if not isinstance(turn, dict) or turn.get("from") != role:
            raise InputError(f"conversations[{index}].from: must be {role}")
        if not isinstance(turn.get("value"), str):
            raise InputError(f"conversations[{index}].value: must be text")
        said.append(turn["value"])
    return list(zip(said[::2], said[1::2], strict=True))
