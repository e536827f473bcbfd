from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finecaption.metrics.judge import JudgeError, ServedJudge, verdicts

if TYPE_CHECKING:
    from .conftest import JudgeServer

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = [f"question {i % 6}" for i in range(10)]


def echo(request: dict[str, Any]) -> str:
    return f"{request['messages'][0]['content']} / {request['seed']}"


def test_each_question_is_asked_once_and_never_again(server: JudgeServer, tmp_path: Path) -> None:
    server.answer = echo
    told = {}
    for workers in (4, 1):
        path = tmp_path / "replies.sqlite"
        with ServedJudge(server.address, "m", path, workers=workers) as judge:
            told[workers] = judge.ask(PROMPTS)
            assert judge.requests == (6 if workers == 4 else 0)
    assert told[4] == told[1] == [f"{p} / 0" for p in PROMPTS]
    assert Counter(server.prompts()) == Counter(set(PROMPTS))
    request = server.seen[0]
    assert (request["temperature"], request["top_p"], request["model"]) == (0, 1, "m")


def test_another_model_is_another_judge(server: JudgeServer, tmp_path: Path) -> None:
    server.answer = lambda request: request["model"]
    for model in ("a", "b"):
        with ServedJudge(server.address, model, tmp_path / "r", seed=None) as judge:
            assert judge.ask(["?"]) == [model]
            assert judge.identity["model"] == model
    assert len(server.seen) == 2 and "seed" not in server.seen[0]


def test_a_run_that_broke_off_goes_on(server: JudgeServer, tmp_path: Path) -> None:
    server.answer = lambda r: 400 if r["messages"][0]["content"] == "question 3" else echo(r)
    path = tmp_path / "r"
    with (
        ServedJudge(server.address, "m", path, workers=1) as judge,
        pytest.raises(JudgeError, match="refuses the request .* check address, model and key"),
    ):
        judge.ask(PROMPTS)
    server.seen.clear()
    server.answer = echo
    with ServedJudge(server.address, "m", path, workers=1) as judge:
        assert judge.ask(PROMPTS) == [f"{p} / 0" for p in PROMPTS]
    asked = server.prompts()
    assert "question 3" in asked and not {"question 0", "question 1", "question 2"} & set(asked)


def test_a_run_that_was_killed_goes_on(server: JudgeServer, tmp_path: Path) -> None:
    killed = threading.Event()

    def slow(request: dict[str, Any]) -> str:
        if len(server.seen) > 3:
            killed.wait(600)
        return echo(request)

    server.answer = slow
    path = tmp_path / "r"
    code = (
        "from finecaption.metrics.judge import ServedJudge\n"
        f"judge = ServedJudge({server.address!r}, 'm', {str(path)!r}, workers=1)\n"
        f"judge.ask({PROMPTS!r})\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    running = subprocess.Popen([sys.executable, "-c", code], env=env)
    deadline = time.monotonic() + 600
    while len(server.seen) < 4 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    killed.set()
    assert len(server.seen) == 4
    server.seen.clear()
    with ServedJudge(server.address, "m", path) as judge:
        assert judge.ask(PROMPTS) == [f"{p} / 0" for p in PROMPTS]
        assert judge.requests == 3


def test_a_busy_server_is_asked_again(server: JudgeServer) -> None:
    server.answer = lambda r: 503 if len(server.seen) == 1 else "fine"
    with ServedJudge(server.address, "m", tries=2) as judge:
        assert judge.ask(["?"]) == ["fine"]


def test_a_server_that_is_not_there(server: JudgeServer) -> None:
    server.close()
    with (
        ServedJudge(server.address, "m", tries=1, timeout=5) as judge,
        pytest.raises(JudgeError, match="cannot be reached .* the same command goes on later"),
    ):
        judge.ask(["?"])


def test_a_reply_that_cannot_be_read_is_asked_for_with_the_next_seed(
    server: JudgeServer, tmp_path: Path
) -> None:
    server.answer = lambda r: "7" if r["seed"] == 2 else "seven, I think"

    def parse(text: str) -> int | None:
        return int(text) if text.isdigit() else None

    for _ in range(2):  # the second time from what was kept
        with ServedJudge(server.address, "m", tmp_path / "r") as judge:
            assert verdicts(judge, ["?"], parse) == [7]
    assert [r["seed"] for r in server.seen] == [0, 1, 2]
    server.answer = lambda r: "seven, I think"
    with (
        ServedJudge(server.address, "m", seed=None) as judge,
        pytest.raises(JudgeError, match="no verdict that can be read, only 'seven, I think'"),
    ):
        verdicts(judge, ["?"], parse)
    assert len(server.seen) == 6


@pytest.mark.parametrize(("again", "asked"), [(0, 1), (1, 2), (3, 4)])
def test_a_reply_that_cannot_be_read_is_asked_for_so_often(
    server: JudgeServer, again: int, asked: int
) -> None:
    server.answer = lambda r: "seven"
    with (
        ServedJudge(server.address, "m", again=again) as judge,
        pytest.raises(JudgeError, match="gives no verdict"),
    ):
        judge.ask(["?"], str.isdigit)
    assert [r["seed"] for r in server.seen] == list(range(asked))
    assert judge.requests == asked


@pytest.mark.parametrize(("tries", "asked"), [(1, 1), (0, 1), (2, 2)])
def test_a_busy_server_is_asked_so_often(server: JudgeServer, tries: int, asked: int) -> None:
    server.answer = lambda r: 503
    with ServedJudge(server.address, "m", tries=tries) as judge, pytest.raises(JudgeError):
        judge.ask(["?"])
    assert len(server.seen) == asked


def test_the_identity_names_what_figures_depend_on(server: JudgeServer) -> None:
    server.answer = echo
    with ServedJudge(server.address, "m", seed=3, max_tokens=7, workers=0) as judge:
        assert judge.identity == {"model": "m", "temperature": 0, "seed": 3, "max_tokens": 7}
        assert judge.ask(["?"]) == ["? / 3"], "one worker at least"
    assert server.seen[0]["max_tokens"] == 7
    with ServedJudge(server.address, "m") as judge:
        assert (judge.identity["seed"], judge.identity["max_tokens"]) == (0, 300)


def test_an_empty_reply_is_an_error(server: JudgeServer) -> None:
    server.answer = lambda r: ""
    with (
        ServedJudge(server.address, "m") as judge,
        pytest.raises(JudgeError, match="gives an empty reply"),
    ):
        judge.ask(["?"])
