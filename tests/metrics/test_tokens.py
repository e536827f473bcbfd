from __future__ import annotations

import sys
from pathlib import Path

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.metrics import java, tokens
from finecaption.metrics.missing import Unavailable
from finecaption.metrics.tokens import ptb_tokens, space_tokens, word_tokens
from finecaption_synth.language import paraphrases
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

PLAIN = {
    "A dog's (big) ball, at 5 p.m.!": "a dog 's -lrb- big -rrb- ball at 5 p.m.",
    "It isn't the T-shirt's o'clock; \u201cHi\u201d": "it is n't the t-shirt 's o'clock hi",
    "He cannot go \u2014 yes, 1,000.5 and/or 3rd?": "he can not go yes 1,000.5 and/or 3rd",
    "Caf\u00e9 on the U.S. coast...": "caf\u00e9 on the u.s. coast",
    "": "",
    " . ": "",
}


def test_words_of_both_tokenisers() -> None:
    expected = [text.split() for text in PLAIN.values()]
    assert ptb_tokens(list(PLAIN)) == expected
    assert word_tokens(list(PLAIN)) == expected


def test_lines_stay_with_their_texts_whatever_breaks_lines() -> None:
    texts = ["", "one\ntwo", "", "three\u2028four\r", "one\ntwo", "||| five\x85", ""]
    assert ptb_tokens(texts) == [
        [], ["one", "two"], [], ["three", "four"], ["one", "two"], ["|", "|", "|", "five"], [],
    ]  # fmt: skip
    assert ptb_tokens([]) == []


def test_without_java_the_drawn_worlds_words_are_the_same() -> None:
    texts = [
        sentence
        for index in range(3)
        for region in observe(sample_scene("test", 0, index)).truth.regions
        for name in ATTRIBUTE_NAMES
        for sentence in paraphrases(region, name)
    ]
    assert len(texts) > 300
    assert word_tokens(texts) == ptb_tokens(texts)


def test_texts_that_are_words_already_are_left_alone() -> None:
    assert space_tokens(["a  B , c", ""]) == [["a", "B", ",", "c"], []]


def test_what_is_missing_is_said_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Unavailable, match=r'no Java: pip install "finecaption\[eval\]"'):
        ptb_tokens(["a"])
    with pytest.raises(Unavailable, match="no nothing.jar: pip install"):
        java.find_jar("tokenizer", "nothing.jar")


def test_java_is_looked_for_in_java_home_and_then_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    programs = {}
    for name in ("home/bin", "path"):
        programs[name] = tmp_path / name / "java"
        programs[name].parent.mkdir(parents=True)
        programs[name].touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert java.find_java() == str(programs["path"])
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert java.find_java() == str(programs["home/bin"])
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    assert java.find_java() == str(programs["path"])


def test_a_java_that_fails_is_not_taken_for_one_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "find_java", lambda: sys.executable)
    with pytest.raises(tokens.FineCaptionError, match="PTBTokenizer: ended with code [12]"):
        ptb_tokens(["a"])
