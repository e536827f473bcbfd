"""The time that a stage takes, and may take."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Clock(TrainerCallback):
    """The time that a stage takes, added up over interruptions (what was lost with them is not)."""

    def __init__(self, path: Path) -> None:
        """Goes on from the seconds that ``path`` holds, if it is there."""
        self.path, self.began = path, time.monotonic()
        self.before = float(path.read_text()) if path.exists() else 0.0

    def seconds(self) -> float:
        """So far."""
        return round(self.before + time.monotonic() - self.began, 1)

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Writes the seconds beside the checkpoint that they led to."""
        if state.is_world_process_zero:
            temporary = self.path.with_name(f".{self.path.name}.part")
            temporary.write_text(str(self.seconds()))
            temporary.replace(self.path)


class TimeBudget(TrainerCallback):
    """Ends a stage when its minutes are over."""

    def __init__(self, clock: Clock, minutes: float) -> None:
        """
        Args:
            clock: of the stage.
            minutes: its budget; 0 never ends it.
        """
        self.clock, self.seconds = clock, 60 * minutes

    def done(self) -> float:
        """Fraction of the budget that is spent."""
        return min(1.0, self.clock.seconds() / self.seconds)

    def left(self) -> float:
        """Seconds that are left; NaN without a budget."""
        return self.seconds - self.clock.seconds() if self.seconds else float("nan")

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stops the training."""
        if self.seconds and self.clock.seconds() >= self.seconds:
            control.should_training_stop = True
