"""`finecaption caption` for many pictures: progress, summary, exit code."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.bulk import Questions, Summary

_LINE_SECONDS = 30.0  # between lines of progress where there is no terminal


def caption_many(
    given: Sequence[str],
    out: Path,
    questions: Questions,
    *,
    formats: str | None,
    resume: bool,
    on_existing: str | None,
    images: Path | None,
    errors: Path | None,
    batch: int,
    model: str,
    device: str | None,
    engine: str,
    workers: int,
    gpus: float | None,
    address: str | None,
) -> None:
    """Runs it; ends the command with 1 if a picture failed."""
    from finecaption.bulk import Layout, ModelSpec, caption_bulk, open_jobs
    from finecaption.bulk.pipeline import Batching

    if batch < 1:
        raise InputError(f"--batch: must be at least 1; got {batch}")
    if engine not in ("local", "ray"):
        raise InputError(f"--engine: must be local or ray; got {engine!r}")
    wanted = [name.strip() for name in formats.split(",")] if formats else []
    layout = Layout.of(out, wanted)
    jobs = open_jobs(given, images)
    if questions.decoding:
        from finecaption.generation import Decoding

        Decoding(**questions.decoding)  # checks itself
    spec = ModelSpec(model, device)
    batching = Batching(pictures=batch, regions=4 * batch)
    run_jobs = None
    if engine == "ray":
        from finecaption.bulk.cluster import Cluster, on_cluster

        spec.identity()  # a wrong name is told before a cluster is looked for
        each = gpus if gpus is not None else float(str(device).startswith("cuda"))
        spread = Cluster(workers, gpus=each, address=address)
        run_jobs = on_cluster(spec, questions, batching, spread)
    with _Shown() as shown:
        summary = caption_bulk(
            jobs,
            layout,
            questions,
            spec,
            resume=resume,
            on_existing=on_existing,
            batching=batching,
            errors=errors,
            told=shown.told,
            run_jobs=run_jobs,
        )
    _report(summary, layout, errors or layout.errors)
    if summary.failed:
        raise typer.Exit(1)


class _Shown:
    """A bar on a terminal, a line now and then elsewhere; both on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.description}"),
            console=console,
            disable=not self._terminal,
            expand=True,
        )
        self._task: Any = None
        self._last = time.monotonic()

    def __enter__(self) -> _Shown:
        self._bar.start()
        self._task = self._bar.add_task("loading the model", total=None)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def told(self, summary: Summary) -> None:
        """Shows how far it is."""
        text = progress_line(summary)
        done = summary.passed + summary.described + summary.failed
        self._bar.update(self._task, description=text, completed=done, total=summary.total)
        if not self._terminal and time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            typer.echo(text, err=True)


def progress_line(summary: Summary) -> str:
    """`1,200 of 5,000 pictures, 35.1 regions/s, 2:10 left, 3 failed`"""
    done = summary.passed + summary.described + summary.failed
    fresh = summary.described + summary.failed
    of = f" of {summary.total:,}" if summary.total is not None else ""
    parts = [f"{done:,}{of} pictures"]
    if summary.seconds > 0 and summary.regions:
        parts.append(f"{summary.regions / summary.seconds:.1f} regions/s")
        if summary.total is not None and fresh:
            parts.append(f"{_clock((summary.total - done) * summary.seconds / fresh)} left")
    if summary.failed:
        parts.append(f"{summary.failed:,} failed")
    return ", ".join(parts)


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _report(summary: Summary, layout: Any, errors: Path) -> None:
    parts = [f"{summary.described:,} pictures described, {summary.regions:,} regions"]
    if summary.seconds > 0 and summary.described:
        parts[0] += (
            f" in {_clock(summary.seconds)} ({summary.described / summary.seconds:.2f} pictures/s, "
            f"{summary.regions / summary.seconds:.1f} regions/s)"
        )
    if summary.passed:
        parts.append(f"{summary.passed:,} were there already")
    if summary.failed:
        parts.append(f"{summary.failed:,} failed: see {errors}")
    typer.echo("; ".join(parts), err=True)
    if summary.omitted:
        typer.echo(f"the HTML page leaves out {summary.omitted:,} pictures", err=True)
    for form in layout.formats:
        typer.echo(layout.sidecars if form in ("txt", "png") else layout.file(form))
