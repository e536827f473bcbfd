"""`finecaption synth`: the drawn world on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The drawn world: render splits of it.")


@app.callback()
def synth() -> None:
    """The drawn world: render splits of it."""


@app.command()
def render(
    count: Annotated[int, typer.Option(help="Scenes to draw.")],
    out: Annotated[Path, typer.Option(help="Folder; an interrupted rendering goes on.")],
    split: Annotated[str, typer.Option(help="train, val, test or test-unseen.")] = "test",
    seed: Annotated[int, typer.Option(help="Other seeds draw other scenes.")] = 0,
    dense: Annotated[bool, typer.Option(help="Also category, colour, material a pixel.")] = False,
    references: Annotated[bool, typer.Option(help="Name others as (entity_id_k).")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes (default: one a core).")] = None,
) -> None:
    """Draw a split: pictures, a record a region, scenes as SVG."""
    from rich.console import Console
    from rich.progress import track

    from finecaption.synth.dataset import render_split

    done = render_split(
        split, count, seed, out, workers=workers, dense=dense, references=references
    )
    console = Console(stderr=True)
    for _ in track(done, "Drawing", total=count, console=console):
        pass
    print(out / "annotations.jsonl")


@app.command()
def gallery(
    out: Annotated[Path, typer.Option(help="Folder for the sheets.")] = Path("docs/gallery"),
    page: Annotated[
        Path | None, typer.Option(help="Markdown file whose captions are written anew.")
    ] = None,
    scenes: Annotated[int, typer.Option(help="Scenes on the first sheet.")] = 100,
    workers: Annotated[int, typer.Option(help="Processes that draw.")] = 1,
) -> None:
    """Draw contact sheets: scenes, categories, masks, hard pairs."""
    from finecaption.errors import InputError
    from finecaption.pages import rewrite_section
    from finecaption.synth.gallery import Plan, gallery_captions, write_gallery

    if scenes < 1:
        raise InputError(f"scenes: is {scenes}; it must be at least 1")
    plan = Plan(scenes=scenes)
    for file in write_gallery(out, plan, workers):
        print(file)
    if page is not None:
        rewrite_section(page, "captions", gallery_captions(plan))
        print(page)
