"""`finecaption data`: data sets on disk, from what was published or is your own to what trains."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from finecaption.cli.data_annotate import annotate
from finecaption.cli.data_review import review
from finecaption.cli.data_shared import (
    check_page,
    full_name,
    note,
    note_problems,
    open_source,
    parse_parts,
    print_figures,
    progress,
    read_as,
    save_page,
    write_samples,
)
from finecaption.cli.options import Images, Overwrite, SkipBad, Src
from finecaption.errors import InputError

if TYPE_CHECKING:
    pass

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
    print(f"{STORE:16} What `data convert` wrote: Parquet shards.")
    print(f"\nWritten: {', '.join(TARGETS)}")


@app.command()
def convert(
    src: Src,
    out: Annotated[Path, typer.Option(help="Folder of shards, or file.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="parquet, jsonl, compositioncap.")],
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    embed: Annotated[bool, typer.Option("--embed", help="Take the pictures into shards.")] = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a data set in another form. An interrupted conversion goes on."""
    found = open_source(src, source, images, split, option, skip_bad)
    settings = {"made": "convert", "source": full_name(src), "from": found.name, "split": split,
                "set": sorted(option or ())}  # fmt: skip
    count = write_samples(found, out, to, embed, settings, overwrite)
    note_problems(found.problems, out)
    note(f"{count:,} samples")
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

    found = open_source(src, source, images, split, option, skip_bad=True, deep=not quick)
    told = samples = 0

    def tell() -> int:
        for problem in found.problems[told:]:
            line = json.dumps(problem.to_dict(), ensure_ascii=False) if as_json else str(problem)
            print(line, flush=True)
        return len(found.problems)

    for _ in progress(found, "Checking"):
        samples += 1
        told = tell()
    told = tell()
    for name, number in sorted(found.counts.items()):
        note(f"  {name}: {number:,}")
    if told or skip_bad:
        note(f"{told:,} problems; left out, {samples:,} samples remain")
    else:
        note(f"no problem in {samples:,} samples")
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

    found = open_source(src, source, images, split, option, skip_bad)
    check_page(out)
    figures = Statistics().add_all(progress(found, "Counting"))
    if out is not None:
        save_page(out, stats_html(figures, str(src), found.problems, read_as(found)))
    note_problems(found.problems)
    if as_json:
        print(json.dumps(figures.to_dict(), ensure_ascii=False, indent=1))
    else:
        print_figures(figures.to_dict())
    if out is not None:
        note(f"page: {out}")


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

    found = open_source(src, source, images, split, option, skip_bad)
    check_page(out)
    groups = group(progress(found, "Reading"))
    chosen = list(islice(groups, count)) if seed is None else choose(groups, count, seed)
    which = f"The first {len(chosen)} pictures" if seed is None else f"{len(chosen)} at random"
    lead = f"{which}. {read_as(found)}"
    save_page(out, sheet_html(chosen, str(src), lead))
    note_problems(found.problems)
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
    found = open_source(src, source, images, only, option, skip_bad)
    for name, share in ratios.items():
        target = out / (name + {"jsonl": ".jsonl", "compositioncap": ".json"}.get(to, ""))
        settings = {"made": "split", "source": full_name(src), "from": found.name, "only": only,
                    "set": sorted(option or ()), "part": name, "parts": list(parts),
                    "seed": seed}  # fmt: skip
        stream = part_of(found, ratios, seed, name)
        count = write_samples(stream, target, to, embed, settings, overwrite, name)
        note(f"{name}: {count:,} samples, {float(share):.1%} asked for")
        print(target)
    note_problems(found.problems, out / "split")


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
    found = open_source(src, source, images, split, option, skip_bad)
    stream = progress(found, "Reading")
    groups: Any = group(stream) if by == "picture" else ([one] for one in stream)
    chosen = [one for members in choose(groups, count, seed) for one in members]
    settings = {"made": "sample", "source": full_name(src), "from": found.name, "split": split,
                "set": sorted(option or ()), "count": count, "by": by, "seed": seed}  # fmt: skip
    written = write_samples(chosen, out, to, embed, settings, overwrite)
    note_problems(found.problems, out)
    note(f"{written:,} samples")
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

    named = parse_parts(parts)
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
        made = {"made": "mix", "parts": {n: [full_name(f), w] for n, (f, w) in named.items()}}
        write_samples(stream, out, to, embed, {**made, **settings}, overwrite)
    note(f"written: {out}")


app.command()(annotate)
app.command()(review)
