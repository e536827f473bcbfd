"""A captioner that can only answer requests, such as another checkpoint or a served model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finecaption.captioners.questions import Question, QuestionCaptioner


class Foreign(QuestionCaptioner):
    """Answers with the question and the region's box."""

    name = "some-vlm"

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "transformers", "sha256": None}

    def answer(self, questions: Sequence[Question]) -> list[str]:
        return [
            f"{one.attribute or one.task} of {'all' if one.region is None else one.region.box}"
            for one in questions
        ]
