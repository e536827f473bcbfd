"""`finecaption data`: data sets on disk, from what was published or is your own to what trains."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from finecaption.cli.data_annotate import annotate
from finecaption.cli.data_review import review
from finecaption.cli.options import Images, Overwrite, SkipBad, Src
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.data.problems import Problem
    from finecaption.data.sources.base import Source

T = TypeVar("T")

app = typer.Typer(help="Data sets: convert, check, look at, split, mix, annotate, review.")

From = Annotated[
    str | None,
    typer.Option("--from", metavar="FORMAT", help="Its format (see `data formats`)."),
]
Split = Annotated[str, typer.Option(help="Only this split; or the split's name, if it has none.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An option of the reader. Repeatable."),
]
Seed = Annotated[int, typer.Option(help="Another seed chooses others.")]

_SHOWN_PROBLEMS = 20


@app.callback()
def data() -> None:
    """Data sets: convert, check, look at, split, mix, annotate, review."""


@app.command()
def formats() -> None:
    """List the formats that can be read and written."""
    from finecaption.data.convert import TARGETS
    from finecaption.data.opening import STORE
    from finecaption.data.sources import SOURCE_NAMES, source_class, source_options

    for name in SOURCE_NAMES:
        doc = sys.modules[source_class(name).__module__].__doc__ or ""
        about = " ".join(doc.partition("\n\n")[0].split())
        own = set(source_options(name)) - set(source_options("jsonl"))
        more = f" --set: {', '.join(sorted(own))}." if own else ""
        print(f"{name:16} {about}{more}")
    print(f"{STORE:16} What `data convert` wrote: Parquet or tar shards.")
    print(f"\nWritten: {', '.join(TARGETS)}")


@app.command()
def convert(
    src: Src,
    out: Annotated[Path, typer.Option(help="Folder of shards, or file.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="parquet, tar, jsonl, compositioncap.")],
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    embed: Annotated[bool, typer.Option("--embed", help="Take the pictures into shards.")] = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a data set in another form. An interrupted conversion goes on."""
    found = _open(src, source, images, split, option, skip_bad)
    settings = {"made": "convert", "source": _named(src), "from": found.name, "split": split,
                "set": sorted(option or ())}  # fmt: skip
    count = _write(found, out, to, embed, settings, overwrite)
    _note_problems(found.problems, out)
    _note(f"{count:,} samples")
    print(out)


@app.command()
def validate(
    src: Src,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not decode every picture and mask.")
    ] = False,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a problem.")] = False,
) -> None:
    """Name every problem with file and record; exit with 1 if there is any."""
    import json

    found = _open(src, source, images, split, option, skip_bad=True, deep=not quick)
    told = samples = 0

    def tell() -> int:
        for problem in found.problems[told:]:
            line = json.dumps(problem.to_dict(), ensure_ascii=False) if as_json else str(problem)
            print(line, flush=True)
        return len(found.problems)

    for _ in _progress(found, "Checking"):
        samples += 1
        told = tell()
    told = tell()
    for name, number in sorted(found.counts.items()):
        _note(f"  {name}: {number:,}")
    if told or skip_bad:
        _note(f"{told:,} problems; left out, {samples:,} samples remain")
    else:
        _note(f"no problem in {samples:,} samples")
    if told:
        raise typer.Exit(1)


@app.command()
def stats(
    src: Src,
    out: Annotated[Path | None, typer.Option(metavar="OUT.html", help="A page with plots.")] = None,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Count samples, regions, words; plot sizes and how well boxes say the regions."""
    import json

    from finecaption.data.report import Statistics, stats_html

    found = _open(src, source, images, split, option, skip_bad)
    _check_page(out)
    figures = Statistics().add_all(_progress(found, "Counting"))
    if out is not None:
        _save_page(out, stats_html(figures, str(src), found.problems, _lead(found)))
    _note_problems(found.problems)
    if as_json:
        print(json.dumps(figures.to_dict(), ensure_ascii=False, indent=1))
    else:
        _print_figures(figures.to_dict())
    if out is not None:
        _note(f"page: {out}")


@app.command()
def view(
    src: Src,
    out: Annotated[Path, typer.Option(metavar="OUT.html", help="The page.")],
    count: Annotated[int, typer.Option(min=1, help="Pictures on it.")] = 24,
    seed: Annotated[
        int | None, typer.Option(help="Choose them at random (default: the first).")
    ] = None,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    skip_bad: SkipBad = False,
) -> None:
    """Make a contact sheet: regions outlined, texts beside."""
    from itertools import islice

    from finecaption.data.choosing import choose
    from finecaption.data.report import sheet_html
    from finecaption.data.store.rows import group

    found = _open(src, source, images, split, option, skip_bad)
    _check_page(out)
    groups = group(_progress(found, "Reading"))
    chosen = list(islice(groups, count)) if seed is None else choose(groups, count, seed)
    which = f"The first {len(chosen)} pictures" if seed is None else f"{len(chosen)} at random"
    lead = f"{which}. {_lead(found)}"
    _save_page(out, sheet_html(chosen, str(src), lead))
    _note_problems(found.problems)
    print(out)


@app.command()
def split(
    src: Src,
    parts: Annotated[
        list[str], typer.Argument(metavar="NAME=SHARE...", help="Such as train=8 val=1 test=1.")
    ],
    out: Annotated[Path, typer.Option(help="Folder; each part gets its name in it.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="As of `data convert`.")] = "parquet",
    seed: Seed = 0,
    source: From = None,
    images: Images = None,
    only: Annotated[str, typer.Option(help="Only this split of the source.")] = "",
    option: Options = None,
    embed: Annotated[bool, typer.Option("--embed", help="Take the pictures into shards.")] = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Divide a data set by picture: no picture is in two parts."""
    from finecaption.data.choosing import parse_ratios, part_of

    ratios = parse_ratios(parts)
    found = _open(src, source, images, only, option, skip_bad)
    for name, share in ratios.items():
        target = out / (name + {"jsonl": ".jsonl", "compositioncap": ".json"}.get(to, ""))
        settings = {"made": "split", "source": _named(src), "from": found.name, "only": only,
                    "set": sorted(option or ()), "part": name, "parts": list(parts),
                    "seed": seed}  # fmt: skip
        stream = part_of(found, ratios, seed, name)
        count = _write(stream, target, to, embed, settings, overwrite, name)
        _note(f"{name}: {count:,} samples, {float(share):.1%} asked for")
        print(target)
    _note_problems(found.problems, out / "split")


@app.command()
def sample(
    src: Src,
    out: Annotated[Path, typer.Option(help="Folder of shards, or file.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="As of `data convert`.")] = "parquet",
    by: Annotated[str, typer.Option(help="sample or picture.")] = "picture",
    seed: Seed = 0,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    embed: Annotated[bool, typer.Option("--embed", help="Take the pictures into shards.")] = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Take some pictures, with all that is said of them, or some samples, at random."""
    from finecaption.data.choosing import choose
    from finecaption.data.store.rows import group

    if by not in ("sample", "picture"):
        raise InputError(f"--by: must be sample or picture; got {by!r}")
    found = _open(src, source, images, split, option, skip_bad)
    stream = _progress(found, "Reading")
    groups: Any = group(stream) if by == "picture" else ([one] for one in stream)
    chosen = [one for members in choose(groups, count, seed) for one in members]
    settings = {"made": "sample", "source": _named(src), "from": found.name, "split": split,
                "set": sorted(option or ()), "count": count, "by": by, "seed": seed}  # fmt: skip
    written = _write(chosen, out, to, embed, settings, overwrite)
    _note_problems(found.problems, out)
    _note(f"{written:,} samples")
    print(out)


@app.command()
def mix(
    parts: Annotated[
        list[str], typer.Argument(metavar="STORE:WEIGHT...", help="Such as out/a:3 out/b:1.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="A .json file to keep the mixture, or a folder for its samples."),
    ] = None,
    draws: Annotated[int | None, typer.Option(help="How many (default: of all samples).")] = None,
    seed: Seed = 0,
    to: Annotated[str, typer.Option(metavar="FORMAT", help="Of the folder.")] = "parquet",
    buffer: Annotated[int, typer.Option(help="Samples shuffled among each other.")] = 1024,
    by: Annotated[str, typer.Option(help="Draw by sample or by picture.")] = "sample",
    embed: Annotated[bool, typer.Option("--embed", help="Take the pictures into shards.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Mix stores by weight: print what will be drawn; keep the mixture, or write its samples."""
    from finecaption.data.mixture import Mixture, save_mixture
    from finecaption.data.store import open_store

    named = _parts(parts)
    mixture = Mixture(
        {name: (open_store(folder), weight) for name, (folder, weight) in named.items()},
        draws=draws,
        seed=seed,
        buffer=buffer,
        by=by,  # type: ignore[arg-type] # Store.stream checks it
    )
    print(mixture.describe())
    settings = {"draws": draws, "seed": seed, "buffer": buffer, "by": by}
    if out is None:
        return
    if out.suffix == ".json":
        save_mixture(out, named, settings)
    else:
        stream = (one for item in mixture.items() for one in item.samples())
        made = {"made": "mix", "parts": {n: [_named(f), w] for n, (f, w) in named.items()}}
        _write(stream, out, to, embed, {**made, **settings}, overwrite)
    _note(f"written: {out}")


app.command()(annotate)
app.command()(review)


# What the commands share ---------------------------------------------------------------------


def _open(
    src: Path,
    form: str | None,
    images: Path | None,
    split: str,
    options: list[str] | None,
    skip_bad: bool,
    deep: bool = False,
) -> Source:
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
    """NAME=VALUE; the value as JSON where it is that, else as text."""
    import json

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set {text}: must be NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _named(path: Path | str) -> str:
    return Path(path).resolve().as_posix()


def _parts(texts: list[str]) -> dict[str, tuple[str, str]]:
    """`out/a:3` -> {"a": ("out/a", "3")}; names that meet twice get a number."""
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


def _write(
    samples: Iterable[Any],
    out: Path,
    to: str,
    embed: bool,
    settings: dict[str, Any],
    overwrite: bool,
    label: str = "Writing",
) -> int:
    """Writes a stream; the number of samples that it now has on disk."""
    from finecaption.data.convert import TARGETS, clear, convert

    if to not in TARGETS:
        raise InputError(f"--to: unknown target {to!r}; choose from {', '.join(TARGETS)}")
    if overwrite:
        clear(out)
    total = 0

    def counted() -> Iterator[Any]:
        nonlocal total
        for one in _progress(samples, label):
            total += 1
            yield one

    convert(counted(), out, to, embed=embed, settings=settings)
    if not total:  # a finished store was left as it is
        from finecaption.data.store import is_store, open_store

        return len(open_store(out)) if is_store(out) else 0
    return total


def _progress(things: Iterable[T], label: str) -> Iterator[T]:
    """A line on stderr with number, rate and time; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} samples"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(label, total=None, rate="")
        for number, thing in enumerate(things, 1):
            yield thing
            if number % 100 == 0:
                speed = shown.tasks[task].speed
                shown.update(task, completed=number, rate=f"{speed:,.0f}/s" if speed else "")
        shown.update(task, completed=shown.tasks[task].completed)


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _note_problems(problems: list[Problem], out: Path | None = None) -> None:
    """Lists what was left out on stderr; in full in a file beside the output."""
    if not problems:
        return
    _note(f"left out: {len(problems):,}")
    for problem in problems[:_SHOWN_PROBLEMS]:
        _note(f"  {problem}")
    more = len(problems) - _SHOWN_PROBLEMS
    if out is not None:
        import json

        from finecaption.data.store.layout import replace_with

        path = out.with_name(f"{out.name}.problems.jsonl")
        lines = (json.dumps(problem.to_dict(), ensure_ascii=False) for problem in problems)
        replace_with(path, "\n".join(lines) + "\n")
        _note(f"  all of them: {path}")
    elif more > 0:
        _note(f"  and {more:,} more; `data validate` lists all")


def _check_page(out: Path | None) -> None:
    if out is not None and (out.is_dir() or out.suffix.lower() not in (".html", ".htm")):
        raise InputError(f"--out {out}: must be a file that ends in .html")


def _save_page(out: Path, text: str) -> None:
    from finecaption.data.store.layout import replace_with

    out.parent.mkdir(parents=True, exist_ok=True)
    replace_with(out, text)


def _lead(found: Source) -> str:
    split = f", split {found.split}" if found.split else ""
    return f"Read as {found.name}{split}."


def _print_figures(figures: dict[str, Any]) -> None:
    for name in ("samples", "pictures", "regions", "distinct_words", "broken_masks"):
        print(f"{name.replace('_', ' '):24} {figures[name]:>12,}")
    for name in ("words_per_text", "regions_per_picture", "area_share", "mask_box_iou"):
        if figures[name]["number"]:
            print(f"{name.replace('_', ' ') + ', mean':24} {figures[name]['mean']:>12.3f}")
    for kind in ("tasks", "splits", "sources"):
        for name, number in figures[kind].items():
            print(f"{kind[:-1] + ' ' + (name or '(none)'):24} {number:>12,}")
    for name, about in figures["attributes"].items():
        print(f"{name:40} {about['samples']:>12,} {about['mean_words']:>8.1f} words")
