"""`finecaption synth`: scenes of the synthetic world on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finecaption.cli.completion import splits
from finecaption.cli.console import Quiet, Verbose, progress_console

app = typer.Typer(add_completion=False, help="Render scenes of the synthetic world.")


@app.callback()
def synth() -> None:
    """Render scenes of the synthetic world."""


@app.command()
def render(
    count: Annotated[int, typer.Option(help="Number of scenes.")],
    out: Annotated[Path, typer.Option(help="Output folder; an interrupted run resumes.")],
    split: Annotated[
        str,
        typer.Option(
            metavar="train|val|test|test-unseen",
            help="The split to render.",
            autocompletion=splits,
        ),
    ] = "test",
    seed: Annotated[int, typer.Option(help="Random seed of the scenes.")] = 0,
    dense: Annotated[
        bool, typer.Option("--dense", help="Also write category, color and material per pixel.")
    ] = False,
    references: Annotated[
        bool, typer.Option("--references", help="Name other objects as (entity_id_k).")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes (default: one per core).")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Render a split: images, one record per region, and the scenes as SVG."""
    from rich.progress import track

    from finecaption_synth.dataset import render_split

    done = render_split(
        split, count, seed, out, workers=workers, dense=dense, references=references
    )
    console = progress_console()
    for _ in track(done, "Rendering", total=count, console=console):
        pass
    print(out / "annotations.jsonl")


@app.command()
def gallery(
    out: Annotated[Path, typer.Option(help="Output folder of the sheets.")] = Path("docs/gallery"),
    page: Annotated[
        Path | None, typer.Option(help="Markdown page whose captions are rewritten.")
    ] = None,
    scenes: Annotated[int, typer.Option(help="Number of scenes on the first sheet.")] = 100,
    workers: Annotated[int, typer.Option(help="Number of processes.")] = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Render contact sheets: scenes, categories, masks, hard pairs."""
    from finecaption.errors import InputError
    from finecaption_synth.gallery import GalleryPlan, gallery_captions, write_gallery
    from finecaption_synth.markdown import rewrite_section

    if scenes < 1:
        raise InputError(f"--scenes: must be at least 1; got {scenes}")
    plan = GalleryPlan(scenes=scenes)
    for file in write_gallery(out, plan, workers):
        print(file)
    if page is not None:
        rewrite_section(page, "captions", gallery_captions(plan))
        print(page)
