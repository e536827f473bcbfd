"""`finecaption segment`: clicks, boxes or everything of a picture become masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.options import (
    MODEL,
    Boxes,
    Device,
    ImageFile,
    Points,
    open_model,
    prompts_within,
    region_prompts,
    status,
)
from finecaption.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FORMATS = ("png", "rle", "coco")

app = typer.Typer(help="Turn clicks, boxes or everything of a picture into masks.")


@app.command()
def segment(
    image: ImageFile,
    point: Points = None,
    box: Boxes = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="All things that can be found.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|FILE",
            help="Where to (default: a folder IMAGE-masks beside the picture). A file name that "
            "ends in .png or .json takes one mask, or one document.",
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="LIST", help="Of png, rle, coco; with commas.")
    ] = "png,rle,coco",
    grid: Annotated[
        int, typer.Option(metavar="N", help="--everything: clicks along the longer side.")
    ] = 24,
    crops: Annotated[
        int, typer.Option(metavar="N", help="--everything: layers of crops, for small things.")
    ] = 0,
    most: Annotated[int, typer.Option(metavar="N", help="--everything: things at most.")] = 40,
    segmenter: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A SAM checkpoint of transformers, instead."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="The model whose click segmenter is used.")
    ] = MODEL,
    device: Device = None,
) -> None:
    """Turn clicks, boxes or everything of a picture into masks: PNG, RLE, COCO.

    Things are numbered in the order of what was asked, those of --everything by how sure they are.
    """
    from finecaption.io.images import load_image

    # Everything that can be wrong is checked before the seconds that the model takes.
    prompts = region_prompts(box or (), point or ())
    if everything == bool(prompts):
        raise InputError(
            "give --everything alone, or --point or --box" if everything
            else "nothing is asked for: give --point, --box or --everything"
        )  # fmt: skip
    for name, value, least, greatest in (
        ("--grid", grid, 1, 200), ("--crops", crops, 0, 3), ("--most", most, 1, 1000),
    ):  # fmt: skip
        if not least <= value <= greatest:
            raise InputError(f"{name}: must be from {least} to {greatest}; got {value}")
    target, forms = _target(out, form, image)
    picture = load_image(image)
    prompts = prompts_within(prompts, picture.size)
    tool = _segmenter(segmenter, model, device)
    if everything:
        found = _everything(tool, picture, grid, crops, most)
        if not found:
            typer.echo("nothing was found; click on an object (--point)", err=True)
    else:
        encoded = tool.encode(picture)
        masks = [tool.predict(encoded, list(one.points), box=one.box) for one in prompts]
        found = [(made.mask, {"score": round(made.score, 4)}) for made in masks]
    _write(target, forms, image, picture, found)


def _target(out: Path | None, form: str, image: str) -> tuple[Path, list[str]]:
    """Folder or file, and the formats.

    Raises:
        InputError: an unknown format, or a file that does not fit it.
    """
    forms = list(dict.fromkeys(part.strip().lower() for part in form.split(",") if part.strip()))
    unknown = [one for one in forms if one not in FORMATS]
    if unknown or not forms:
        raise InputError(f"--format {form!r}: must be of {', '.join(FORMATS)}")
    if out is None:
        picture = Path(image)
        return picture.with_name(f"{picture.stem}-masks"), forms
    ending = out.suffix.lower()
    if ending in (".png", ".json"):
        fitting = [one for one in forms if (one == "png") == (ending == ".png")]
        if not fitting:
            raise InputError(f"--out {out}: is no file for {form}; end it in .png or .json")
        if not out.parent.is_dir():
            raise InputError(f"--out {out}: there is no folder {out.parent}; make it first")
        return out, fitting[-1:]  # of both documents, COCO
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is a file; give a folder, or a name ending in .png, .json")
    return out, forms


def _segmenter(folder: Path | None, model: str, device: str | None) -> Any:
    with status("Loading the segmenter"):
        if folder is not None:
            from finecaption.segmentation.sam import TransformersSegmenter

            return TransformersSegmenter.from_pretrained(folder, device)
        from finecaption.protocol import require

        captioner = open_model(model, device)
        require(captioner, "click")
        return captioner.segmenter


def _everything(
    tool: Any, picture: Image.Image, grid: int, crops: int, most: int
) -> list[tuple[np.ndarray, dict[str, Any]]]:
    from rich.console import Console
    from rich.progress import Progress

    from finecaption.segmentation.automatic import generate_masks

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task("Looking for things", total=1.0)
        things = generate_masks(
            tool, picture, grid=grid, crops=crops, max_masks=most,
            progress=lambda share: shown.update(task, completed=share),
        )  # fmt: skip
    return [
        (
            thing.mask,
            {
                "score": round(thing.score, 4),
                "stability": round(thing.stability, 4),
                "agreement": round(thing.agreement, 4),
            },
        )
        for thing in things
    ]


def _write(
    target: Path,
    forms: Sequence[str],
    image: str,
    picture: Image.Image,
    found: Sequence[tuple[np.ndarray, dict[str, Any]]],
) -> None:
    from finecaption.io import masks
    from finecaption.io.atomic import write_bytes
    from finecaption.studio.export import coco_document

    name = Path(image).name
    arrays = [mask for mask, _ in found]

    def rle() -> bytes:
        regions = [
            {"mask": masks.encode_rle(mask), "box": list(masks.box_from_mask(mask)), **extra}
            for mask, extra in found
        ]
        document = {"image": name, "size": list(picture.size), "regions": regions}
        return (json.dumps(document, indent=2) + "\n").encode()

    def coco() -> bytes:
        extras = [extra for _, extra in found]
        document = coco_document(name, picture.size, arrays, extras=extras)
        return (json.dumps(document, indent=2) + "\n").encode()

    made: dict[str, Callable[[], bytes]] = {"rle": rle, "coco": coco}
    files: list[tuple[Path, bytes]] = []
    if target.suffix.lower() == ".png":
        if len(arrays) != 1:
            raise InputError(
                f"--out {target}: takes one mask, but there are {len(arrays)}; give a folder"
            )
        files.append((target, masks.encode_png(arrays[0])))
    elif target.suffix.lower() == ".json":
        files.append((target, made[forms[0]]()))
    else:
        if "png" in forms:
            files += [
                (target / f"{number:03d}.png", masks.encode_png(mask))
                for number, mask in enumerate(arrays, 1)
            ]
        files += [(target / f"{one}.json", made[one]()) for one in forms if one in made]
    try:
        for path, data in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data)
    except OSError as error:
        raise InputError(f"--out {target}: cannot be written ({error})") from error
    what = "mask" if len(arrays) == 1 else "masks"
    typer.echo(f"{len(arrays)} {what} in {target}", err=True)
