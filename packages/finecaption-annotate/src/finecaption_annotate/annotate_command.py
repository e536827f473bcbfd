"""`finecaption data annotate`: captions for your own images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.completion import models, one_of, source_formats
from finecaption.cli.console import Quiet, Verbose, note, progress_console
from finecaption.cli.options import (
    MODEL,
    AllAttributes,
    Attributes,
    Dense,
    Device,
    Images,
    Whole,
    open_model,
)
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.data.problems import Problems
    from finecaption.data.sources.base import Source
    from finecaption_annotate.annotate import AnnotationJob, AnnotationSummary, Annotator


def annotate(
    src: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="A folder of images, or with --from a dataset."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="OUT.json", help="Output file, in CompositionCap's format.")
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "--captioner",
            metavar="NAME|FOLDER",
            help="The model: a name or a folder; with --address, its name on the server.",
            autocompletion=models,
        ),
    ] = MODEL,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Ask an OpenAI-compatible server, such as http://host/v1."
        ),
    ] = None,
    attribute: Attributes = None,
    all_attributes: AllAttributes = False,
    dense: Dense = False,
    whole: Whole = False,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Find regions in images that come without masks."),
    ] = False,
    segmenter: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            help="With --everything: the model whose segmenter is used.",
            autocompletion=models,
        ),
    ] = MODEL,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="Format of SRC, if it is a dataset with regions of its own.",
            autocompletion=source_formats,
        ),
    ] = None,
    images: Images = None,
    license_: Annotated[
        str, typer.Option("--license", "--licence", help="License to note in every record.")
    ] = "",
    shown: Annotated[
        str,
        typer.Option(
            metavar="outline|alpha",
            help="How a region is shown to a server.",
            autocompletion=one_of("outline", "alpha"),
        ),
    ] = "outline",
    per_minute: Annotated[
        float | None, typer.Option(help="Maximum number of requests per minute.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Number of requests at a time.")] = 4,
    tries: Annotated[int, typer.Option(help="Number of tries of each request.")] = 5,
    timeout: Annotated[float, typer.Option(help="Timeout of a try in seconds.")] = 120.0,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable with the server's API key.")
    ] = "OPENAI_API_KEY",
    cache: Annotated[
        Path | None, typer.Option(help="File that caches answers (default: OUT.json.cache).")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that get no answer.")
    ] = False,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Caption your own images. An interrupted run resumes, and answers are cached."""
    from finecaption.attributes import ATTRIBUTE_NAMES, resolve_attribute
    from finecaption.data.problems import Problems
    from finecaption_annotate.annotate import annotate as run

    if all_attributes and attribute:
        raise InputError("--all and --attribute: give one of them; --all asks for every attribute")
    names = [resolve_attribute(name).name for name in attribute or ()]
    if all_attributes:
        names = list(ATTRIBUTE_NAMES)
    if not (names or dense or whole):
        raise InputError("nothing to ask: give --attribute, --all, --dense or --global")
    if everything and source is not None:
        raise InputError("--everything and --from: give one of them; --from has regions of its own")
    find = _finder(segmenter, device) if everything else None
    asked = _captioner(
        model, address, shown, per_minute, workers, tries, timeout, key_variable, device
    )
    problems = Problems("skip" if skip_bad else "raise")
    jobs, data = _jobs(src, source, images, find, license_, problems)
    summary = run(
        _shown(jobs),
        asked,
        out,
        attributes=names,
        dense=dense,
        whole=whole,
        cache=cache,
        skip_bad=skip_bad,
    )
    summary.problems += problems.found
    if data is not None:
        summary.problems += data.problems
    _report(summary)
    print(out)


def _jobs(
    src: Path,
    source: str | None,
    images: Path | None,
    find: Callable[[Any], Any] | None,
    licence: str,
    problems: Problems,
) -> tuple[Iterator[AnnotationJob], Source | None]:
    """The jobs, and the dataset that they are of, if any."""
    from finecaption_annotate.annotate import folder_jobs, sample_jobs

    if source is None:
        return folder_jobs(src, find, licence, problems), None
    from finecaption.data.opening import open_data

    data = open_data(src, source, images=images, problems=problems.policy)
    return sample_jobs(data), data


def _captioner(
    name: str,
    address: str | None,
    shown: str,
    per_minute: float | None,
    workers: int,
    tries: int,
    timeout: float,
    key_variable: str,
    device: str | None,
) -> Annotator:
    from finecaption_annotate.annotate import LocalCaptioner, OpenAICaptioner

    if address is not None:
        return OpenAICaptioner(
            address,
            name,
            shown=shown,
            per_minute=per_minute,
            workers=workers,
            tries=tries,
            timeout=timeout,
            key_variable=key_variable,
        )
    return LocalCaptioner(open_model(name, device))


def _finder(name: str, device: str | None) -> Callable[[Any], Any]:
    from finecaption.protocol import require
    from finecaption.segmentation.automatic import masks_by_area

    captioner = open_model(name, device)
    require(captioner, "click")
    return lambda image: masks_by_area(captioner.segmenter, image)


def _shown(jobs: Iterable[AnnotationJob]) -> Iterator[AnnotationJob]:
    """The jobs, with a progress line on stderr."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = progress_console()
    columns = (
        SpinnerColumn(),
        TextColumn("Annotating: {task.completed:,.0f} images {task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=None)
        for job in jobs:
            shown.update(task, description=job.image_id)
            yield job
            shown.advance(task)


def _report(summary: AnnotationSummary) -> None:
    note(
        f"{summary.pictures:,} images; {summary.asked:,} questions asked, {summary.cached:,} "
        f"answered from the cache; {summary.not_applicable:,} do not apply"
    )
    if summary.problems:
        note(f"left out: {len(summary.problems):,}")
        for problem in summary.problems[:20]:
            note(f"  {problem}")
