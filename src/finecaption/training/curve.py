"""The loss curve as a file: a JSON object a line, whole also after interruptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from finecaption.io import strict_json


class LossCurve:
    """Lines of {"step": ..., "loss": ..., ...} in the order of steps."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """What is there; a last line that a kill cut short is left out."""
        out = []
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    out.append(json.loads(line))
                except ValueError:
                    break
        return out

    def go_on(self, step: int) -> None:
        """Drops what comes after a step: the run goes on from there and comes by again."""
        kept = [entry for entry in self.read() if entry["step"] <= step]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.part")
        temporary.write_text("".join(strict_json.dumps(entry) + "\n" for entry in kept))
        temporary.replace(self.path)

    def add(self, step: int, **values: float) -> None:
        """One line more."""
        with self.path.open("a") as file:
            file.write(strict_json.dumps({"step": step, **values}) + "\n")


class CurveCallback(TrainerCallback):
    """Keeps Trainer's log entries as a `LossCurve`."""

    def __init__(self, path: Path) -> None:
        self.curve = LossCurve(path)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Goes on where the run does."""
        if state.is_world_process_zero:
            self.curve.go_on(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Adds an entry; not Trainer's summary at the end."""
        if state.is_world_process_zero and logs and "loss" in logs:
            numbers = {k: v for k, v in logs.items() if isinstance(v, int | float)}
            self.curve.add(state.global_step, **numbers)
