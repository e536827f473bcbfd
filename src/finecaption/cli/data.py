"""`finecaption data`: turn published data, or your own, into data that trains."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from finecaption import plugins
from finecaption.cli.completion import one_of, target_formats
from finecaption.cli.console import Quiet, Verbose, note
from finecaption.cli.data_shared import (
    From,
    Options,
    Split,
    full_name,
    note_empty,
    note_problems,
    open_source,
    parse_parts,
    progress,
    write_samples,
)
from finecaption.cli.options import Images, Overwrite, SkipBad, Src
from finecaption.errors import InputError
from finecaption.io import strict_json

T = TypeVar("T")

app = typer.Typer(
    add_completion=False,
    help="Convert, check, view, split, mix, annotate and review datasets.",
)

To = Annotated[
    str,
    typer.Option(
        metavar="FORMAT",
        help="Format to write: parquet, jsonl or compositioncap.",
        autocompletion=target_formats,
    ),
]
By = Annotated[
    str,
    typer.Option(
        metavar="sample|image",
        help="The unit to take: single samples, or images with all their samples.",
        autocompletion=one_of("sample", "image"),
    ),
]
Embed = Annotated[bool, typer.Option("--embed", help="Store the images inside the shards.")]
Outside = Annotated[
    bool,
    typer.Option(
        "--allow-outside", help="With --embed: copy images outside the dataset's folder, too."
    ),
]
OutData = Annotated[Path, typer.Option(help="Output: a folder of shards, or a file.")]
Seed = Annotated[int, typer.Option(help="Random seed of the choice.")]


@app.callback()
def data() -> None:
    """Convert, check, view, split, mix, annotate and review datasets."""


@app.command()
def formats(
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
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
    print(f"{STORE:16} Parquet shards, as `data convert` writes them.")
    print(f"\nWritten: {', '.join(TARGETS)}")


@app.command()
def convert(
    src: Src,
    out: OutData,
    to: To,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    embed: Embed = False,
    allow_outside: Outside = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Convert a dataset to another format. An interrupted conversion resumes."""
    found = open_source(src, source, images, split, option, skip_bad)
    found.confined = embed and not allow_outside
    settings = {
        "made": "convert",
        "source": full_name(src),
        "from": found.name,
        "split": split,
        "set": sorted(option or ()),
    }
    count = write_samples(found, out, to, embed, settings, overwrite)
    note_problems(found.problems, out)
    note(f"{count:,} samples")
    note_empty(found, count)
    print(out)


@app.command()
def validate(
    src: Src,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not decode images and masks.")] = False,
    skip_bad: SkipBad = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per problem.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Report every problem with its file and record; exit with 1 if there is any, or no sample."""
    found = open_source(src, source, images, split, option, skip_bad=True, deep=not quick)
    told = samples = 0

    def tell() -> int:
        for problem in found.problems[told:]:
            line = (
                strict_json.dumps(problem.to_dict(), ensure_ascii=False)
                if as_json
                else str(problem)
            )
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
    elif samples:
        note(f"no problem in {samples:,} samples")
    note_empty(found, samples)
    if told or not samples:
        raise typer.Exit(1)


@app.command()
def split(
    src: Src,
    parts: Annotated[
        list[str], typer.Argument(metavar="NAME=WEIGHT...", help="Such as train=8 val=1 test=1.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder; each part is named in it.")],
    to: To = "parquet",
    seed: Seed = 0,
    source: From = None,
    images: Images = None,
    only: Annotated[str, typer.Option(help="Read only this split of the source.")] = "",
    option: Options = None,
    embed: Embed = False,
    allow_outside: Outside = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Split a dataset by image: no image is in two parts."""
    from finecaption.data.choosing import parse_ratios, part_of

    ratios = parse_ratios(parts)
    found = open_source(src, source, images, only, option, skip_bad)
    found.confined = embed and not allow_outside
    for name, ratio in ratios.items():
        target = out / (name + {"jsonl": ".jsonl", "compositioncap": ".json"}.get(to, ""))
        settings = {
            "made": "split",
            "source": full_name(src),
            "from": found.name,
            "only": only,
            "set": sorted(option or ()),
            "part": name,
            "parts": list(parts),
            "seed": seed,
        }
        stream = part_of(found, ratios, seed, name)
        count = write_samples(stream, target, to, embed, settings, overwrite, name)
        note(f"{name}: {count:,} samples, {float(ratio):.1%} requested")
        print(target)
    note_problems(found.problems, out / "split")


@app.command()
def sample(
    src: Src,
    out: OutData,
    count: Annotated[int, typer.Option(min=1, help="Number of images or samples.")],
    to: To = "parquet",
    by: By = "image",
    seed: Seed = 0,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    embed: Embed = False,
    allow_outside: Outside = False,
    skip_bad: SkipBad = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Take images with all their samples, or single samples, at random."""
    from finecaption.data.choosing import choose
    from finecaption.data.store.rows import group

    by = _unit(by)
    found = open_source(src, source, images, split, option, skip_bad)
    found.confined = embed and not allow_outside
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
        typer.Option(help="Output: a .json file for the mixture, or a folder for its samples."),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="Number of draws (default: as many as there are samples).")
    ] = None,
    seed: Seed = 0,
    to: To = "parquet",
    buffer: Annotated[int, typer.Option(help="Size of the shuffle buffer in samples.")] = 1024,
    by: By = "sample",
    embed: Embed = False,
    allow_outside: Outside = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Mix stores by weight: print the mixture, save it, or write its samples."""
    from finecaption.data.mixture import Mixture, save_mixture
    from finecaption.data.store import open_store

    by = _unit(by)
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
        stream: Iterator[Any] = (one for item in mixture.items() for one in item.samples())
        if embed and not allow_outside:
            stream = _confined(stream, [Path(folder) for folder, _ in named.values()])
        made = {"made": "mix", "parts": {n: [full_name(f), w] for n, (f, w) in named.items()}}
        write_samples(stream, out, to, embed, {**made, **settings}, overwrite)
    note(f"written: {out}")


def _confined(samples: Iterator[Any], folders: list[Path]) -> Iterator[Any]:
    """The samples, if their images are in these folders."""
    from finecaption.data.sources.base import check_below

    for one in samples:
        if isinstance(one.image, str):
            check_below(one.image, folders)
        yield one


def _unit(by: str) -> str:
    """The value of --by as the stores' settings keep it: "sample" or "picture".

    Raises:
        InputError: neither sample nor image.
    """
    if by not in ("sample", "image", "picture"):
        raise InputError(f"--by: must be sample or image; got {by!r}")
    return "picture" if by == "image" else by


for _name in plugins.names("finecaption.data_commands"):
    app.command(_name)(plugins.load("finecaption.data_commands", _name))
