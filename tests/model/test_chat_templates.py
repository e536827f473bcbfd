"""Templates that come with a model, and do not end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from finecaption.errors import InputError
from finecaption.model.chat_templates import OWN, rendered_in_time, word_level_template

NESTED = (
    "{%- for a in range(99999) -%}{%- for b in range(99999) -%}{%- for c in range(99999) -%}"
    "{%- endfor -%}{%- endfor -%}{%- endfor -%}"
)


def test_what_ends_is_given_back_and_its_errors_are() -> None:
    assert rendered_in_time(lambda: "text") == "text"
    with pytest.raises(KeyError, match="wrong"):
        rendered_in_time(lambda: {}["wrong"])


def test_a_template_that_does_not_end_is_stopped() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    def render() -> Any:
        return render_jinja_template([[{"role": "user", "content": "x"}]], chat_template=NESTED)

    start = time.monotonic()
    with pytest.raises(InputError, match=r"chat_template: takes over 0\.2 s"):
        rendered_in_time(render, 0.2)
    assert time.monotonic() - start < 60
    assert rendered_in_time(lambda: "next") == "next"


def test_our_own_template_is_not_watched(processor: Any) -> None:
    assert word_level_template() in OWN
    processor.chat_template = NESTED
    assert processor.chat_template not in OWN
