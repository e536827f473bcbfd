"""`finecaption data annotate`: captions for your own pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.options import MODEL, Device, Images, open_model
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.data.annotate import Captioner, Job, Summary
    from finecaption.data.problems import Problems
    from finecaption.data.sources.base import Source


def annotate(
    src: Annotated[
        Path,
        typer.Argument(metavar="SRC", help="Folder of pictures; or a data set, with --from."),
    ],
    out: Annotated[Path, typer.Option(metavar="OUT.json", help="CompositionCap's shape.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "--captioner",
            metavar="NAME|FOLDER",
            help="The model; with --address, its name there.",
        ),
    ] = MODEL,
    address: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible server, such as http://host/v1."),
    ] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Ask for it. Repeat for more.")
    ] = None,
    all_attributes: Annotated[bool, typer.Option("--all", help="Ask for all 18.")] = False,
    dense: Annotated[bool, typer.Option("--dense", help="A paragraph on each region.")] = False,
    whole: Annotated[bool, typer.Option("--global", help="A paragraph on the picture.")] = False,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Find the regions of pictures without masks."),
    ] = False,
    segmenter: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Whose segmenter finds them.")
    ] = MODEL,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FORMAT", help="Take the regions of this data set."),
    ] = None,
    images: Images = None,
    licence: Annotated[str, typer.Option(help="Note that the records carry.")] = "",
    shown: Annotated[
        str, typer.Option(help="How a server sees a region: outline or alpha.")
    ] = "outline",
    per_minute: Annotated[float | None, typer.Option(help="Requests a minute, at most.")] = None,
    workers: Annotated[int, typer.Option(help="Requests at once.")] = 4,
    tries: Annotated[int, typer.Option(help="Of each request.")] = 5,
    timeout: Annotated[float, typer.Option(help="Of a try, in seconds.")] = 120.0,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable that holds the server's key.")
    ] = "OPENAI_API_KEY",
    cache: Annotated[
        Path | None, typer.Option(help="File of answers (default: OUT.json.cache).")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out pictures that get no answer.")
    ] = False,
    device: Device = None,
) -> None:
    """Caption your own pictures. An interrupted run goes on; answers are kept."""
    from finecaption.attributes import ATTRIBUTE_NAMES, resolve_attribute
    from finecaption.data.annotate import annotate as run
    from finecaption.data.problems import Problems

    if all_attributes and attribute:
        raise InputError("--all and --attribute: give one of them; --all asks for every attribute")
    names = [resolve_attribute(name).name for name in attribute or ()]
    if all_attributes:
        names = list(ATTRIBUTE_NAMES)
    if not (names or dense or whole):
        raise InputError("nothing is asked: give --attribute, --all, --dense or --global")
    if everything and source is not None:
        raise InputError("--everything and --from: give one of them; --from has regions of its own")
    find = _finder(segmenter, device) if everything else None
    asked = _captioner(model, address, shown, per_minute, workers, tries, timeout,
                       key_variable, device)  # fmt: skip
    problems = Problems("skip" if skip_bad else "raise")
    jobs, data = _jobs(src, source, images, find, licence, problems)
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
    src: Path, source: str | None, images: Path | None, find: Callable[[Any], Any] | None,
    licence: str, problems: Problems,
) -> tuple[Iterator[Job], Source | None]:  # fmt: skip
    """The jobs, and the data set that they are of, if any."""
    from finecaption.data.annotate import folder_jobs, sample_jobs

    if source is None:
        return folder_jobs(src, find, licence, problems), None
    from finecaption.data.opening import open_data

    data = open_data(src, source, images=images, problems=problems.policy)
    return sample_jobs(data), data


def _captioner(
    name: str, address: str | None, shown: str, per_minute: float | None, workers: int,
    tries: int, timeout: float, key_variable: str, device: str | None,
) -> Captioner:  # fmt: skip
    from finecaption.data.annotate import LocalCaptioner, OpenAICaptioner

    if address is not None:
        return OpenAICaptioner(
            address, name, shown=shown, per_minute=per_minute, workers=workers, tries=tries,
            timeout=timeout, key_variable=key_variable,
        )  # fmt: skip
    return LocalCaptioner(open_model(name, device))


def _finder(name: str, device: str | None) -> Callable[[Any], Any]:
    from finecaption.protocol import require
    from finecaption.segmentation.automatic import masks_by_area

    captioner = open_model(name, device)
    require(captioner, "click")
    return lambda image: masks_by_area(captioner.segmenter, image)


def _shown(jobs: Iterable[Job]) -> Iterator[Job]:
    """The jobs, with a line on stderr while they last."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("Annotating: {task.completed:,.0f} pictures {task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=None)
        for job in jobs:
            shown.update(task, description=job.image_id)
            yield job
            shown.advance(task)


def _report(summary: Summary) -> None:
    typer.echo(
        f"{summary.pictures:,} pictures; {summary.asked:,} questions asked, {summary.cached:,} "
        f"answered from the cache; {summary.not_applicable:,} do not apply",
        err=True,
    )
    if summary.problems:
        typer.echo(f"left out: {len(summary.problems):,}", err=True)
        for problem in summary.problems[:20]:
            typer.echo(f"  {problem}", err=True)
