"""`finecaption data review`: people accept, edit or reject the captions of regions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.completion import source_formats, target_formats
from finecaption.cli.console import Quiet, Verbose, note
from finecaption.cli.options import Images, SkipBad, Src
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption_annotate.review import ReviewJournal, ReviewSet


def review(
    src: Src,
    reviewer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the reviewer (default: the page asks)."),
    ] = None,
    reviews: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the decisions (default: SRC.reviews)."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on (default: the first free one from 7860).")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. There is no password.")
    ] = "127.0.0.1",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", "--open", help="Open the page in the browser.")
    ] = False,
    agree: Annotated[
        bool, typer.Option("--agreement", help="Print how far the reviewers agree and stop.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="With --agreement: print one JSON object instead of text."),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write the accepted and edited texts and stop."),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="With --export: format to write, as for `data convert`.",
            autocompletion=target_formats,
        ),
    ] = "compositioncap",
    undecided: Annotated[
        bool, typer.Option("--undecided", help="With --export: keep texts that nobody decided on.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --export: remove an existing output first.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="Format of SRC (a .json file: compositioncap).",
            autocompletion=source_formats,
        ),
    ] = None,
    images: Images = None,
    split: Annotated[str, typer.Option(help="Read only this split.")] = "",
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Review a dataset on a page: accept (A), edit (E) or reject (R) each text of each region.

    Every decision is on disk before the page marks it as saved. Several people can review the same
    set, at once or not; --agreement measures how far they agree, --export writes what they kept.
    """
    from finecaption_annotate.review import Reviews

    if agree and export is not None:
        raise InputError("--agreement and --export: give one of them")
    data = _read(src, source, images, split, skip_bad)
    kept = Reviews(reviews or src.resolve().with_name(f"{src.resolve().name}.reviews"))
    journals = [] if not (agree or export) else _journals(kept, reviewer)
    if agree:
        _print_agreement(data, journals, as_json)
    elif export is not None:
        _export(data, journals, export, to, undecided, overwrite)
    else:
        from finecaption_annotate.review.app import serve
        from finecaption_annotate.review.desk import Desk

        def ready(address: str) -> None:
            print(
                f"{data.title}: {data.told:,} texts to review; decisions go to {kept.folder}",
                file=sys.stderr,
            )
            print(address, flush=True)

        serve(Desk(data, kept, reviewer), host, port, browser, ready)


def _read(
    src: Path, source: str | None, images: Path | None, split: str, skip_bad: bool
) -> ReviewSet:
    from finecaption.data.opening import open_data
    from finecaption_annotate.review import read_set

    if source is None and src.suffix == ".json":
        source = "compositioncap"  # what `data annotate` writes
    found = open_data(
        src, source, images=images, split=split, problems="skip" if skip_bad else "raise"
    )
    data = read_set(found, src.name or str(src), found.root)
    for problem in found.problems[:20]:
        note(f"left out: {problem}")
    if len(found.problems) > 20:
        note(f"left out in all: {len(found.problems):,}")
    return data


def _journals(reviews: Any, reviewer: str | None) -> list[ReviewJournal]:
    found: list[ReviewJournal] = reviews.all()
    if reviewer is None:
        return found
    chosen = [journal for journal in found if journal.reviewer == reviewer]
    if not chosen:
        names = ", ".join(journal.reviewer for journal in found)
        raise InputError(f"--reviewer {reviewer}: has not reviewed; these have: {names}")
    return chosen


def _print_agreement(data: ReviewSet, journals: list[ReviewJournal], as_json: bool) -> None:
    from finecaption_annotate.review import agreement, agreement_table

    rows = agreement(data, journals)
    names = [journal.reviewer for journal in journals]
    if as_json:
        told = {"reviewers": names, "rows": [row.to_dict() for row in rows]}
        print(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        print(agreement_table(rows, names))


def _export(
    data: ReviewSet,
    journals: list[ReviewJournal],
    out: Path,
    to: str,
    undecided: bool,
    overwrite: bool,
) -> None:
    from finecaption.data.convert import TARGETS, clear, convert
    from finecaption_annotate.review import Kept, reviewed_samples

    if to not in TARGETS:
        raise InputError(f"--to: unknown target {to!r}; choose from {', '.join(TARGETS)}")
    if overwrite:
        clear(out)
    kept = Kept()
    samples = list(reviewed_samples(data, journals, undecided, kept))
    if not samples:
        raise InputError("--export: nothing was accepted or edited; there is nothing to write")
    convert(samples, out, to, settings={"made": "review", "of": data.title})
    note(
        f"{kept.accepted:,} accepted, {kept.edited:,} edited, {kept.added:,} written, "
        f"{kept.rejected:,} rejected, {kept.undecided:,} undecided "
        f"({'kept' if undecided else 'left out'}); {len(samples):,} samples"
    )
    print(out)
