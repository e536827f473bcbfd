"""A tenth of the gauntlet (`make gauntlet` runs all of it); and its judge bites."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.errors import InputError

from .gauntlet import cases
from .gauntlet.case import Case, Place, command
from .gauntlet.fuzz import PARSERS, fuzz
from .gauntlet.runner import run, table


def test_there_are_enough_cases_and_their_names_are_distinct() -> None:
    names = [(case.kind, case.name) for case in cases()]
    assert len(names) >= 400
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("part", range(4))
def test_a_tenth_of_the_cases(part: int, tmp_path: Path, tiny_folder: Path) -> None:
    chosen = cases()
    random.Random(4).shuffle(chosen)
    results = [run(case, tmp_path, lambda: tiny_folder, limit=120) for case in chosen[part::40]]
    bad = [result for result in results if result.bad]
    assert not bad, table(bad)


def test_fuzzing_finds_nothing_in_a_moment(tmp_path: Path) -> None:
    for result, tried in fuzz(0, tmp_path):
        assert tried and not result.bad, result


def refuses(message: str) -> Callable[[Place], Any]:
    def run_(place: Place) -> Any:
        raise InputError(message)

    return run_


def waits(place: Place) -> None:
    threading.Event().wait()


def lasts(place: Place) -> None:
    """Busy, and keeps every ordinary exception to itself."""
    while True:
        try:
            while True:
                pass
        except Exception:
            continue


def prints(place: Place) -> None:
    try:
        raise KeyError("x")
    except KeyError:
        sys.excepthook(*sys.exc_info())


def reads(place: Place) -> str:
    return (place.outside / "secret.txt").read_text()[:0]


def writes(place: Place) -> str:
    (place.folder.parent / "left.txt").write_text("x")
    return ""


def leaves_a_part(place: Place) -> str:
    (place.folder / ".o.json.part").write_text("x")
    return ""


def leaves_a_thread(place: Place) -> str:
    threading.Thread(target=time.sleep, args=(3,), daemon=True, name="left").start()
    return ""


def starts(place: Place) -> str:
    return str(os.system("true"))[:0]


def dies(place: Place) -> None:
    raise SystemExit(3)


MASK = np.zeros((3, 4), bool)
OTHER = np.pad(MASK[:-1], ((0, 1), (0, 0)), constant_values=True)


@pytest.mark.parametrize(
    ("outcome", "case"),
    [
        ("right", Case("", "", lambda place: MASK, MASK)),
        ("right", Case("", "", lambda place: [OTHER], [OTHER])),
        ("clear error", Case("", "", refuses("box: is Reversed"), word="reversed")),
        ("clear error", Case("", "", lambda place: command("caption", "none.png"), word="none")),
        ("silent error", Case("", "", lambda place: OTHER, MASK)),
        ("silent error", Case("", "", lambda place: MASK.astype(int), MASK)),
        ("silent error", Case("", "", lambda place: MASK.T, MASK)),
        ("silent error", Case("", "", lambda place: "fine", word="broken")),
        ("silent error", Case("", "", refuses("it is so"), word="reversed")),
        ("silent error", Case("", "", refuses("it is so"), value=MASK)),
        ("silent error", Case("", "", lambda place: command("data", "validate", "x", refuses=1))),
        ("traceback", Case("", "", lambda place: MASK[9], word="size")),
        ("traceback", Case("", "", dies, word="")),
        ("traceback", Case("", "", prints)),
        ("hang", Case("", "", waits)),
        ("hang", Case("", "", lasts)),
        ("leak", Case("", "", reads, "")),
        ("leak", Case("", "", writes, "")),
        ("leak", Case("", "", leaves_a_part, "")),
        ("leak", Case("", "", leaves_a_thread, "")),
        ("leak", Case("", "", starts, "")),
    ],
)  # fmt: skip
def test_the_judge_bites(outcome: str, case: Case, tmp_path: Path) -> None:
    limit = 0.3 if outcome == "hang" else 60
    result = run(case, tmp_path, lambda: tmp_path, limit=limit)
    assert result.outcome == outcome, result
    assert result.bad == (outcome not in ("right", "clear error"))
    assert not list(tmp_path.iterdir())


def test_known_faults_count_apart_and_are_listed(tmp_path: Path) -> None:
    known = Case("masks", "lies", lambda place: 1, 2, known="the file says nothing")
    result = run(known, tmp_path, lambda: tmp_path)
    assert not result.bad
    shown = table([result, run(Case("masks", "raises", dies), tmp_path, lambda: tmp_path)])
    assert "| masks | 2 | 0 | 0 | 0 | 1 | 0 | 0 | 1 |" in shown
    assert "silent error** masks: lies: 1 instead of 2 (known: the file says nothing)" in shown


def test_fuzzing_sees_what_a_parser_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(value: Any, folder: Path) -> None:
        raise ZeroDivisionError

    for name in list(PARSERS)[1:]:
        monkeypatch.delitem(PARSERS, name)
    name, (strategy, _) = next(iter(PARSERS.items()))
    monkeypatch.setitem(PARSERS, name, (strategy, fails))
    ((result, _),) = fuzz(0, tmp_path)
    assert result.outcome == "traceback" and "ZeroDivisionError" in result.said
