"""`finecaption data stats` and `finecaption data view`: what a dataset holds, as pages."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.console import Quiet, Verbose, note
from finecaption.cli.data_shared import (
    From,
    Options,
    Split,
    note_empty,
    note_problems,
    open_source,
    progress,
)
from finecaption.cli.options import Images, SkipBad, Src
from finecaption.errors import InputError
from finecaption.io import strict_json

if TYPE_CHECKING:
    from finecaption.data.sources.base import Source


def stats(
    src: Src,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Also write a page with plots.")
    ] = None,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    skip_bad: SkipBad = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of text.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Count samples, regions and words; plot sizes and the IoU of regions with their boxes."""
    from finecaption_annotate.report import Statistics, stats_html

    found = open_source(src, source, images, split, option, skip_bad)
    _check_page(out)
    figures = Statistics().add_all(progress(found, "Counting"))
    if out is not None:
        _save_page(out, stats_html(figures, str(src), found.problems, _read_as(found)))
    note_problems(found.problems)
    note_empty(found, figures.to_dict()["samples"])
    if as_json:
        print(strict_json.dumps(figures.to_dict(), ensure_ascii=False, indent=1))
    else:
        _print_figures(figures.to_dict())
    if out is not None:
        note(f"page: {out}")


def view(
    src: Src,
    out: Annotated[Path, typer.Option(metavar="OUT.html", help="The page to write.")],
    count: Annotated[int, typer.Option(min=1, help="Number of images.")] = 24,
    seed: Annotated[
        int | None, typer.Option(help="Random seed of the choice (default: the first images).")
    ] = None,
    source: From = None,
    images: Images = None,
    split: Split = "",
    option: Options = None,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a contact sheet: outlined regions with their texts."""
    from finecaption.data.choosing import choose
    from finecaption.data.store.rows import group
    from finecaption_annotate.report import sheet_html

    found = open_source(src, source, images, split, option, skip_bad)
    _check_page(out)
    groups = group(progress(found, "Reading"))
    chosen = list(islice(groups, count)) if seed is None else choose(groups, count, seed)
    which = f"The first {len(chosen)} images" if seed is None else f"{len(chosen)} at random"
    lead = f"{which}. {_read_as(found)}"
    _save_page(out, sheet_html(chosen, str(src), lead))
    note_problems(found.problems)
    note_empty(found, len(chosen))
    print(out)


def _check_page(out: Path | None) -> None:
    """Checks --out before anything is read.

    Raises:
        InputError: it cannot be the name of a page.
    """
    if out is not None and (out.is_dir() or out.suffix.lower() not in (".html", ".htm")):
        raise InputError(f"--out {out}: must be a file that ends in .html")


def _save_page(out: Path, text: str) -> None:
    """Writes a page, under a temporary name first."""
    from finecaption.io.atomic import write_text

    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)


def _read_as(found: Source) -> str:
    """The sentence under a page's title: format and split."""
    split = f", split {found.split}" if found.split else ""
    return f"Read as {found.name}{split}."


def _print_figures(figures: dict[str, Any]) -> None:
    """Prints the counts of `data stats`, one per line."""
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
