from __future__ import annotations

from pathlib import Path

import pytest

from finecaption.errors import InputError
from finecaption.metrics.replies import Replies, question_key

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "caf\u00e9?"}], "seed": 0}


def test_a_reply_is_found_again_after_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "replies.sqlite"
    with Replies(path) as replies:
        assert replies.get(REQUEST) is None
        assert replies.put(REQUEST, "yes") == "yes"
        assert replies.put(REQUEST, "no") == "yes"  # the first stands
    with Replies(path) as replies:
        assert replies.get(dict(reversed(REQUEST.items()))) == "yes"
        assert replies.get({**REQUEST, "seed": 1}) is None
        assert len(replies) == 1


def test_keys_tell_every_setting_apart() -> None:
    others = [{**REQUEST, "model": "n"}, {**REQUEST, "seed": 1}, {**REQUEST, "temperature": 0}]
    assert len({question_key(r) for r in (REQUEST, *others)}) == 4


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a data base, but long enough to be looked at " * 9)
    with pytest.raises(InputError, match="is not a file of judges' replies"):
        Replies(path)
    assert path.read_text().startswith("not a data base")


def test_without_a_file_replies_are_kept_in_memory() -> None:
    with Replies(None) as replies:
        assert replies.path is None and len(replies) == 0
        assert replies.put(REQUEST, "yes") == "yes" == replies.get(REQUEST)
        assert replies.put({**REQUEST, "seed": 1}, "no") == "no"
        assert len(replies) == 2


def test_a_key_does_not_depend_on_the_order_of_settings() -> None:
    assert question_key(REQUEST) == question_key(dict(reversed(REQUEST.items())))
    assert len(question_key(REQUEST)) == 64
