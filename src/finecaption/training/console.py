"""A training stage on the console: a bar with the time left, and one short line per log entry.

The full log entries, with an accuracy for each of the many heads, go to tensorboard.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

# Keys of a log entry that a line shows, with the name and the format to show them in.
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
        step, steps: the current step and the last one.
        logs: Trainer's entry; keys that are absent or not finite are left out of the line.
        left: seconds to the end of the stage; NaN if unknown.
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
    """Prints the progress of one stage; under torchrun, only the first process prints.

    On a terminal, a bar stands below the lines. Nothing is printed if the logger "finecaption" is
    set above INFO.
    """

    def __init__(
        self, name: str, console: Console | None = None, left: Callable[[], float] | None = None
    ) -> None:
        """
        Args:
            name: the stage's, printed before each line.
            console: standard error by default.
            left: gives the seconds to the end of a stage that ends by the clock.
        """
        self.name, self.left = name, left
        quiet = logging.getLogger("finecaption").level > logging.INFO
        self.console = console or Console(stderr=True, quiet=quiet)
        self._bar: Progress | None = None
        self._began = (0.0, 0)  # time and step

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Starts the bar where the stage starts or resumes."""
        self._began = (time.monotonic(), state.global_step)
        if not (state.is_world_process_zero and self.console.is_terminal):
            return
        self._bar = Progress(
            TextColumn(self.name),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._bar.add_task(self.name, total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Advances the bar."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Prints a line, except for Trainer's summary at the end, which has no loss of its own."""
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
        """Removes the bar."""
        self.close()

    def close(self) -> None:
        """Removes the bar, also after an error, which Trainer does not report to callbacks."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
