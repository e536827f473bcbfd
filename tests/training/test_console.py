from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from transformers import TrainerControl, TrainerState, TrainingArguments

from finecaption.training.console import ConsoleCallback, log_line, spell_time


@pytest.mark.parametrize(
    "seconds, text",
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (187, "3:07"), (3723, "1:02:03")],
)
def test_times_are_spelled_short(seconds: float, text: str) -> None:
    assert spell_time(seconds) == text


def test_a_line_has_the_few_figures_that_matter() -> None:
    logs = {
        "loss": 1.23456, "caption_loss": 0.5, "accuracy": 0.61239, "accuracy colour": 0.9,
        "iou": 0.5, "grad_norm": 3.0, "learning_rate": 0.0015, "epoch": 0.1,
    }  # fmt: skip
    assert log_line(25, 2400, logs, 754) == (
        "  25/2400  loss 1.2346  captions 0.5000  accuracy 0.612  iou 0.500  lr 1.5e-03  12:34 left"
    )


def test_what_is_not_known_is_left_out() -> None:
    line = log_line(1, 2, {"loss": 2.0, "accuracy": float("nan")}, float("nan"))
    assert line == "1/2  loss 2.0000"


def play(console: Console, **state: Any) -> ConsoleCallback:
    """A stage of four steps, two log entries and Trainer's summary."""
    callback = ConsoleCallback("stage1", console)
    args, control = TrainingArguments(output_dir="unused", use_cpu=True), TrainerControl()
    now = TrainerState(max_steps=4, global_step=0, **state)
    callback.on_train_begin(args, now, control)
    for step in range(1, 5):
        now.global_step = step
        callback.on_step_end(args, now, control)
        if step % 2 == 0:
            callback.on_log(args, now, control, logs={"loss": 1.0 / step, "epoch": 0.5})
    callback.on_log(args, now, control, logs={"train_runtime": 3.0, "train_loss": 0.4})
    callback.on_train_end(args, now, control)
    return callback


def test_a_file_gets_one_line_for_each_entry() -> None:
    out = io.StringIO()
    play(Console(file=out, width=200))
    first, second = out.getvalue().splitlines()
    assert first.startswith("stage1  2/4  loss 0.5000") and first.endswith(" s left")
    assert second.startswith("stage1  4/4  loss 0.2500  0 s left")


def test_a_terminal_gets_a_bar_below_the_lines() -> None:
    out = io.StringIO()
    play(Console(file=out, width=100, force_terminal=True))
    text = out.getvalue()
    assert "stage1  2/4  loss 0.5000" in text
    assert "━" in text and "4/4" in text
    assert text.endswith("\x1b[?25h") or "\x1b[?25h" in text  # the cursor is back


def test_only_the_first_process_speaks() -> None:
    out = io.StringIO()
    play(Console(file=out, width=100, force_terminal=True), is_world_process_zero=False)
    assert out.getvalue() == ""


def test_an_error_takes_the_bar_away() -> None:
    out = io.StringIO()
    callback = ConsoleCallback("stage1", Console(file=out, force_terminal=True))
    args, control = TrainingArguments(output_dir="unused", use_cpu=True), TrainerControl()
    callback.on_train_begin(args, TrainerState(max_steps=4), control)
    assert "\x1b[?25l" in out.getvalue()
    callback.close()
    assert "\x1b[?25h" in out.getvalue()
    callback.close()
