"""`finecaption eval`: score a model on the drawn world, or join the scores of several models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finecaption.errors import InputError

app = typer.Typer(help="Score a model against the drawn world's truth.")

_SLOW = 5.0  # seconds after which a progress bar is shown


@app.command()
def evaluate(
    model: Annotated[
        str, typer.Option(help="A model's name, or the folder of a checkpoint.")
    ] = "finecaption-mini",
    data: Annotated[
        str,
        typer.Option(
            help="synth:test[:SEED], synth:test-unseen[:SEED] (drawn on the way), or a folder "
            "written by `finecaption synth render`."
        ),
    ] = "synth:test",
    limit: Annotated[int, typer.Option(help="Regions to ask about.")] = 500,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for predictions, scores.json and table.md. The same command on it again "
            "goes on where it was left."
        ),
    ] = None,
    twins: Annotated[
        int,
        typer.Option(
            help="Pairs of regions with nearly one box to find and ask about; 0: only those among "
            "the regions."
        ),
    ] = 200,
    clicks: Annotated[
        int | None,
        typer.Option(help="Regions to click on (default: as --limit; 0: none)."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Pictures asked at once.")] = 8,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that draw ahead of the model (default: by the cores)."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, ... (default: a GPU if there is one).")
    ] = None,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Only score the records in --out again.")
    ] = False,
    stages: Annotated[
        Path | None,
        typer.Option(
            help="Join every scores.json below this folder into one table, stages.md, a column "
            "each; nothing is evaluated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores.json to stdout.")] = False,
) -> None:
    """Score a model against the drawn world's truth, attribute by attribute."""
    if stages is not None:
        _join(stages, out, as_json)
        return
    if out is None:
        raise InputError("out: not given; name the folder for the results with --out DIR")
    if rescore:
        from finecaption.eval.run import rescore as score_again

        scores = score_again(out)
    else:
        scores = _evaluate(model, data, out, limit, twins, clicks, batch, _workers(workers), device)
    if as_json:
        _print_json(scores)
    else:
        _show(scores, out)


def _workers(asked: int | None) -> int:
    import os

    if asked is None:
        return max(1, min(8, (os.cpu_count() or 1) - 1))
    if asked < 0:
        raise InputError(f"workers: is {asked}; it must be at least 0")
    return asked


def _evaluate(
    model: str, data: str, out: Path, limit: int, twins: int, clicks: int | None, batch: int,
    workers: int, device: str | None,
) -> dict[str, Any]:  # fmt: skip
    from rich.console import Console

    from finecaption.eval.data import open_source
    from finecaption.eval.records import RunFolder
    from finecaption.eval.run import evaluate as run
    from finecaption.eval.subject import CheckpointSubject

    source = open_source(data, workers)
    subject = CheckpointSubject(model, device)
    with _Bar(Console(stderr=True)) as bar:
        scores = run(
            subject, source, out,
            limit=limit, twins=twins, clicks=clicks, batch=batch, progress=bar.show,
        )  # fmt: skip
    for step, about in RunFolder.existing(out).manifest["done"].items():
        if step in bar.seen and about["seconds_last"] > 0:
            made, seconds = about["made_last"], about["seconds_last"]
            what = "pairs" if step == "twins" else "regions"
            typer.echo(
                f"{step}: {made} {what} in {seconds:.1f} s, {made / seconds:.2f} {what}/s",
                err=True,
            )
    return scores


class _Bar:
    """A progress bar on the terminal, once the work has taken some seconds."""

    def __init__(self, console: Any) -> None:
        import time

        self._console, self._now = console, time.monotonic
        self._began = self._now()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self.seen: set[str] = set()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, step: str, done: int, total: int) -> None:
        """steps.Progress."""
        self.seen.add(step)
        if self._now() - self._began < _SLOW:
            return
        if self._bar is None:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TimeRemainingColumn(), console=self._console, transient=True,
            )  # fmt: skip
            self._bar.start()
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(step, total=total)
        self._bar.update(self._tasks[step], completed=done)


def _print_json(data: Any) -> None:
    import json

    print(json.dumps(data, indent=1, ensure_ascii=False))


def _show(scores: dict[str, Any], out: Path) -> None:
    from finecaption.eval.table import HEADER, ON_SCREEN, attribute_rows, rich_table, summary

    for sentence in summary(scores):
        typer.echo(sentence)
    rows = [row[:ON_SCREEN] for row in attribute_rows(scores)]
    _print_table(rich_table(HEADER[:ON_SCREEN], rows, left=(0,)))
    typer.echo(f"written: {out / 'scores.json'}, {out / 'table.md'}", err=True)


def _print_table(table: Any) -> None:
    from rich.console import Console

    console = Console()
    # a file has no width, and shall not have columns cut to that of a terminal
    (console if console.is_terminal else Console(width=1000)).print(table)


def _join(root: Path, out: Path | None, as_json: bool) -> None:
    from finecaption.eval.stages import find_scores, stage_table, write_stages

    found = find_scores(root)
    path = write_stages(root, out)
    if as_json:
        _print_json(found)
        return
    from finecaption.eval.table import rich_table

    _print_table(rich_table(*stage_table(found), left=(0,)))
    typer.echo(f"written: {path}", err=True)
