"""`finecaption batch`: describe many images; resumable after a kill."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.completion import list_of, one_of
from finecaption.cli.console import Quiet, Verbose, note, progress_console
from finecaption.cli.options import (
    MODEL,
    AllAttributes,
    Attributes,
    Beams,
    Dense,
    Device,
    Guidance,
    Length,
    MaxNewTokens,
    Model,
    Seed,
    Temperature,
    TopK,
    TopP,
    Whole,
    attribute_names,
    make_decoding,
)
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.bulk import BatchSummary

_LINE_SECONDS = 30.0  # between lines of progress where there is no terminal
_CLUSTER = "On a Ray cluster"

app = typer.Typer(
    add_completion=False,
    help="Describe many images: a folder, a pattern, a manifest or a dataset.",
)


@app.command()
def batch(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES",
            help="A folder, a pattern, manifest.jsonl, coco.json, FORMAT:PATH of a dataset, or "
            "several image files.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Output: a .jsonl, .csv, .json (COCO) or .html file, or a folder.",
        ),
    ],
    attribute: Attributes = None,
    all_attributes: AllAttributes = False,
    dense: Dense = False,
    whole: Whole = False,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Find regions in images that come without any."),
    ] = False,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Formats to write, separated by commas: jsonl, csv, coco, txt, html, png.",
            autocompletion=list_of("jsonl", "csv", "coco", "txt", "html", "png"),
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    on_existing: Annotated[
        str | None,
        typer.Option(
            metavar="skip|overwrite|append",
            help="What to do with existing results.",
            autocompletion=one_of("skip", "overwrite", "append"),
        ),
    ] = None,
    image_folder: Annotated[
        Path | None,
        typer.Option(
            "--images", metavar="FOLDER", help="Folder of the images, if they are elsewhere."
        ),
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write failures here (default: errors.jsonl beside the results)."
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch", metavar="N", help="Number of images in a batch.")
    ] = 16,
    model: Model = MODEL,
    device: Device = None,
    length: Length = None,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    top_k: TopK = 0,
    seed: Seed = None,
    beams: Beams = 1,
    guidance: Guidance = 0.0,
    max_new_tokens: MaxNewTokens = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="local|ray",
            help="Run in this process, or on a Ray cluster.",
            rich_help_panel=_CLUSTER,
            autocompletion=one_of("local", "ray"),
        ),
    ] = "local",
    workers: Annotated[
        int, typer.Option(help="Number of Ray workers.", rich_help_panel=_CLUSTER)
    ] = 2,
    gpus: Annotated[
        float | None,
        typer.Option(help="Number of GPUs of each Ray worker.", rich_help_panel=_CLUSTER),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster.", rich_help_panel=_CLUSTER)
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Describe many images, in a run that can be interrupted and resumed.

    Without a question, each region gets a sentence and a paragraph. Without a region, attributes
    are asked about the whole image as one region; otherwise the whole image gets a paragraph.
    """
    from finecaption.bulk import Layout, RunSettings, caption_bulk, open_jobs
    from finecaption.bulk.pipeline import Batching
    from finecaption.captioners.registry import ModelSpec
    from finecaption.request import Questions

    questions = Questions(attribute_names(attribute, all_attributes), dense, whole)
    decoding = make_decoding(
        length=length,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        beams=beams,
        guidance=guidance,
        max_new_tokens=max_new_tokens,
    )
    settings = RunSettings(questions, everything, decoding)
    if batch_size < 1:
        raise InputError(f"--batch: must be at least 1; got {batch_size}")
    if engine not in ("local", "ray"):
        raise InputError(f"--engine: must be local or ray; got {engine!r}")
    wanted = [name.strip() for name in formats.split(",")] if formats else []
    layout = Layout.of(out, wanted)
    jobs = open_jobs(images, image_folder)
    spec = ModelSpec(model, device)
    batching = Batching(pictures=batch_size, regions=4 * batch_size)
    run_jobs = None
    if engine == "ray":
        from finecaption.bulk.cluster import Cluster, on_cluster

        _ = spec.identity  # a wrong name is found before a cluster is looked for
        each = gpus if gpus is not None else float(str(device).startswith("cuda"))
        spread = Cluster(workers, gpus=each, address=address)
        run_jobs = on_cluster(spec, settings, batching, spread)
    with _BatchProgress() as shown:
        summary = caption_bulk(
            jobs,
            layout,
            settings,
            spec,
            resume=resume,
            on_existing=on_existing,
            batching=batching,
            errors=errors,
            told=shown.told,
            run_jobs=run_jobs,
        )
    _report(summary, layout, errors or layout.errors)
    if summary.failed or summary.left_out:
        raise typer.Exit(1)


class _BatchProgress:
    """A bar on a terminal, a line now and then elsewhere; both on stderr."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        console = progress_console()
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

    def __enter__(self) -> _BatchProgress:
        self._bar.start()
        self._task = self._bar.add_task("loading the model", total=None)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def told(self, summary: BatchSummary) -> None:
        """Shows the progress so far."""
        text = progress_line(summary)
        done = finished(summary)
        self._bar.update(self._task, description=text, completed=done, total=summary.total)
        if not self._terminal and time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            note(text)


def finished(summary: BatchSummary) -> int:
    """The images of which it is known what becomes of them."""
    return summary.passed + summary.described + summary.failed + summary.left_out


def progress_line(summary: BatchSummary) -> str:
    """`1,200 of 5,000 images, 35.1 regions/s, 2:10 left, 3 failed`"""
    done = finished(summary)
    fresh = done - summary.passed
    of = f" of {summary.total:,}" if summary.total is not None else ""
    parts = [f"{done:,}{of} images"]
    if summary.seconds > 0 and summary.regions:
        parts.append(f"{summary.regions / summary.seconds:.1f} regions/s")
        if summary.total is not None and fresh:
            parts.append(f"{_clock((summary.total - done) * summary.seconds / fresh)} left")
    if summary.failed:
        parts.append(f"{summary.failed:,} failed")
    if summary.left_out:
        parts.append(f"{summary.left_out:,} left out")
    return ", ".join(parts)


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _report(summary: BatchSummary, layout: Any, errors: Path) -> None:
    parts = [f"{summary.described:,} images described, {summary.regions:,} regions"]
    if summary.seconds > 0 and summary.described:
        parts[0] += (
            f" in {_clock(summary.seconds)} ({summary.described / summary.seconds:.2f} images/s, "
            f"{summary.regions / summary.seconds:.1f} regions/s)"
        )
    if summary.passed:
        parts.append(f"{summary.passed:,} were already there")
    if summary.failed:
        parts.append(f"{summary.failed:,} failed: see {errors}")
    if summary.left_out:
        parts.append(f"{summary.left_out:,} left out with all their regions: see {errors}")
    note("; ".join(parts))
    for line in summary.passed_over.lines():
        note(line)
    if summary.omitted:
        note(f"the HTML page leaves out {summary.omitted:,} images")
    for form in layout.formats:
        path = layout.sidecars if form in ("txt", "png") else layout.file(form)
        if path.exists():  # a run that described nothing leaves no records
            typer.echo(path)
