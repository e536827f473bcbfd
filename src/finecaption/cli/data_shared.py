"""Opening, writing, progress and problems, shared by the commands of `finecaption data`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from finecaption.cli.completion import source_formats
from finecaption.cli.console import note, progress_console
from finecaption.errors import InputError
from finecaption.io import strict_json

if TYPE_CHECKING:
    from finecaption.data.problems import Problem
    from finecaption.data.sources.base import Source

T = TypeVar("T")

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FORMAT",
        help="Format of SRC (see `finecaption data formats`).",
        autocompletion=source_formats,
    ),
]
Split = Annotated[
    str, typer.Option(help="Read only this split; where the data has none, its name.")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set an option of the reader."),
]

_SHOWN_PROBLEMS = 20


def open_source(
    src: Path,
    form: str | None,
    images: Path | None,
    split: str,
    options: list[str] | None,
    skip_bad: bool,
    deep: bool = False,
) -> Source:
    """The dataset that SRC, --from and the rest name; `deep` decodes every image and mask.

    Raises:
        InputError: it cannot be opened; an option is not NAME=VALUE.
    """
    from finecaption.data.opening import open_data

    chosen = dict(_option(text) for text in options or ())
    return open_data(
        src,
        form,
        images=images,
        split=split,
        problems="skip" if skip_bad else "raise",
        deep=deep,
        options=chosen,
    )


def _option(text: str) -> tuple[str, Any]:
    """NAME=VALUE; the value is parsed as JSON if possible, else taken as text."""
    import json

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set {text}: must be NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def full_name(path: Path | str) -> str:
    """A path as a store's settings keep it."""
    return Path(path).resolve().as_posix()


def parse_parts(texts: list[str]) -> dict[str, tuple[str, str]]:
    """`out/a:3` -> {"a": ("out/a", "3")}; a name that occurs twice gets a number."""
    found: dict[str, tuple[str, str]] = {}
    for text in texts:
        folder, _, weight = text.rpartition(":")
        if not folder:
            folder, weight = text, "1"
        base = name = Path(folder).name or folder
        number = 2
        while name in found:
            name, number = f"{base}-{number}", number + 1
        found[name] = folder, weight
    return found


def write_samples(
    samples: Iterable[Any],
    out: Path,
    to: str,
    embed: bool,
    settings: dict[str, Any],
    overwrite: bool,
    label: str = "Writing",
) -> int:
    """Writes a stream of samples; returns how many are on disk now.

    Raises:
        InputError: no such target, or the output belongs to another dataset.
    """
    from finecaption.data.convert import TARGETS, clear, convert

    if to not in TARGETS:
        raise InputError(f"--to: unknown target {to!r}; choose from {', '.join(TARGETS)}")
    if overwrite:
        clear(out)
    total = 0

    def counted() -> Iterator[Any]:
        nonlocal total
        for one in progress(samples, label):
            total += 1
            yield one

    convert(counted(), out, to, embed=embed, settings=settings)
    if not total:  # a finished store was left as it is
        from finecaption.data.store import is_store, open_store

        return len(open_store(out)) if is_store(out) else 0
    return total


def progress(items: Iterable[T], label: str) -> Iterator[T]:
    """A progress line on stderr: count, rate and time; nothing where stderr is no terminal."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = progress_console()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} samples"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(label, total=None, rate="")
        for number, item in enumerate(items, 1):
            yield item
            if number % 100 == 0:
                speed = shown.tasks[task].speed
                shown.update(task, completed=number, rate=f"{speed:,.0f}/s" if speed else "")
        shown.update(task, completed=shown.tasks[task].completed)


def note_problems(problems: list[Problem], out: Path | None = None) -> None:
    """Lists the omitted records on stderr, and all of them in a file beside the output."""
    if not problems:
        return
    note(f"left out: {len(problems):,}")
    for problem in problems[:_SHOWN_PROBLEMS]:
        note(f"  {problem}")
    more = len(problems) - _SHOWN_PROBLEMS
    if out is not None:
        from finecaption.io.atomic import write_text

        path = out.with_name(f"{out.name}.problems.jsonl")
        lines = (strict_json.dumps(problem.to_dict(), ensure_ascii=False) for problem in problems)
        write_text(path, "\n".join(lines) + "\n")
        note(f"  all of them: {path}")
    elif more > 0:
        note(f"  and {more:,} more; `data validate` lists all")


def note_empty(found: Source, samples: int) -> None:
    """Says why no sample is left, if none is."""
    if not samples:
        passed = [f"{n:,} {what}" for what, n in sorted(found.counts.items()) if "passed" in what]
        note(f"{found.path}: no sample is left: {'; '.join(passed) or 'it holds none'}")
