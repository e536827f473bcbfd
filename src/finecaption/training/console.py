"""What a stage of training says: a bar with the time left, and a short line a log entry.

The log entries themselves (an accuracy for each of the many heads) are tensorboard's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

# What of a log entry a line shows, under which name and in which format.
_SHOWN = (
    ("loss", "loss", ".4f"),
    ("caption_loss", "captions", ".4f"),
    ("accuracy", "accuracy", ".3f"),
    ("region_accuracy", "regions", ".3f"),
    ("iou", "iou", ".3f"),
    ("learning_rate", "lr", ".1e"),
)


def spell_time(seconds: float) -> str:
    """Seconds as a person reads them: "42 s", "3:07", "1:02:03"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def log_line(step: int, steps: int, logs: dict[str, Any], left: float) -> str:
    """One log entry of Trainer in one line.

    Args:
        step, steps: where the stage is, and where it ends.
        logs: Trainer's entry; keys that are absent or not a number are left out of the line.
        left: seconds to the end of the stage; NaN when that is not known yet.
    """
    shown = [
        f"{name} {float(logs[key]):{form}}"
        for key, name, form in _SHOWN
        if key in logs and math.isfinite(float(logs[key]))
    ]
    if math.isfinite(left):
        shown.append(f"{spell_time(left)} left")
    return "  ".join([f"{step:>{len(str(steps))}}/{steps}", *shown])


class ConsoleCallback(TrainerCallback):
    """Prints one stage on a console; under torchrun, the first process alone speaks.

    On a terminal the bar stands below the lines; in a file there are lines only.
    """

    def __init__(
        self, name: str, console: Console | None = None, left: Callable[[], float] | None = None
    ) -> None:
        """
        Args:
            name: of the stage, before each line.
            console: standard error by default.
            left: seconds to the end, of a stage that ends by the clock.
        """
        self.name, self.left = name, left
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._began = (0.0, 0)  # time and step

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Starts the bar where the stage starts or goes on."""
        self._began = (time.monotonic(), state.global_step)
        if not (state.is_world_process_zero and self.console.is_terminal):
            return
        self._bar = Progress(
            TextColumn(self.name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self.console, transient=True,
        )  # fmt: skip
        self._bar.add_task(self.name, total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=state.global_step)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl,
        logs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Prints a line, but not of Trainer's summary at the end, which has no loss of its own."""
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        when, first = self._began
        done = state.global_step - first
        pace = (time.monotonic() - when) / done if done else math.nan
        left = self.left() if self.left else pace * (state.max_steps - state.global_step)
        line = log_line(state.global_step, state.max_steps, logs or {}, left)
        self.console.print(f"{self.name}  {line}", markup=False, highlight=False, soft_wrap=True)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Takes the bar away."""
        self.close()

    def close(self) -> None:
        """Takes the bar away, also after an error, which Trainer does not report to callbacks."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
