"""`finecaption segment`: masks from clicks, from boxes, or of everything in an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.completion import folders, list_of
from finecaption.cli.console import Quiet, Verbose, note, progress_console, status
from finecaption.cli.options import (
    MODEL,
    Boxes,
    Device,
    ImageFile,
    Model,
    Points,
    open_model,
    prompts_within,
    region_prompts,
)
from finecaption.errors import InputError
from finecaption.io import strict_json

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FORMATS = ("png", "rle", "coco")

app = typer.Typer(
    add_completion=False, help="Make masks from clicks, from boxes, or of everything in an image."
)


@app.command()
def segment(
    image: ImageFile,
    point: Points = None,
    box: Boxes = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Segment every object that can be found.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER|FILE",
            help="Output (default: a folder IMAGE-masks beside the image). A .png file takes one "
            "mask, a .json file one document.",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Formats to write, separated by commas: png, rle, coco.",
            autocompletion=list_of(*FORMATS),
        ),
    ] = "png,rle,coco",
    grid: Annotated[
        int,
        typer.Option(
            metavar="N", help="With --everything: number of clicks along the longer side."
        ),
    ] = 24,
    crops: Annotated[
        int,
        typer.Option(metavar="N", help="With --everything: layers of crops, for small objects."),
    ] = 0,
    most: Annotated[
        int,
        typer.Option(
            "--max-masks", "--most", metavar="N", help="With --everything: maximum number of masks."
        ),
    ] = 40,
    segmenter: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Use this SAM checkpoint (transformers) instead of the model's own segmenter.",
            autocompletion=folders,
        ),
    ] = None,
    model: Model = MODEL,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make masks from clicks, from boxes, or of everything in an image: PNG, RLE, COCO.

    Masks are numbered in the order of the prompts; with --everything, the most certain comes first.
    """
    from finecaption.io.images import load_image

    # Everything that can be wrong is checked before the seconds that the model takes.
    prompts = region_prompts(box or (), point or ())
    if everything == bool(prompts):
        raise InputError(
            "--everything: give it alone, without --point and --box"
            if everything
            else "nothing to segment: give --point, --box or --everything"
        )
    for name, value, least, greatest in (
        ("--grid", grid, 1, 200),
        ("--crops", crops, 0, 3),
        ("--max-masks", most, 1, 1000),
    ):
        if not least <= value <= greatest:
            raise InputError(f"{name}: must be from {least} to {greatest}; got {value}")
    target, forms = _target(out, form, image)
    opened = load_image(image)
    prompts = prompts_within(prompts, opened.size)
    tool = _segmenter(segmenter, model, device)
    if everything:
        found = _everything(tool, opened, grid, crops, most)
        if not found:
            note("nothing was found; click on an object (--point)")
    else:
        encoded = tool.encode(opened)
        masks = [tool.predict(encoded, list(one.points), box=one.box) for one in prompts]
        found = [(made.mask, {"score": round(made.score, 4)}) for made in masks]
    _write(target, forms, image, opened, found)


def _target(out: Path | None, form: str, image: str) -> tuple[Path, list[str]]:
    """The output folder or file, and the formats to write.

    Raises:
        InputError: an unknown format, or a file that does not fit it.
    """
    forms = list(dict.fromkeys(part.strip().lower() for part in form.split(",") if part.strip()))
    unknown = [one for one in forms if one not in FORMATS]
    if unknown or not forms:
        raise InputError(f"--format {form!r}: choose from {', '.join(FORMATS)}")
    if out is None:
        path = Path(image)
        return path.with_name(f"{path.stem}-masks"), forms
    ending = out.suffix.lower()
    if ending in (".png", ".json"):
        fitting = [one for one in forms if (one == "png") == (ending == ".png")]
        if not fitting:
            raise InputError(
                f"--out {out}: cannot hold {form}; a mask goes into .png, a document into .json"
            )
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
    tool: Any, image: Image.Image, grid: int, crops: int, most: int
) -> list[tuple[np.ndarray, dict[str, Any]]]:
    from rich.progress import Progress

    from finecaption.segmentation.automatic import generate_masks

    console = progress_console()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task("Looking for objects", total=1.0)
        proposals = generate_masks(
            tool,
            image,
            grid=grid,
            crops=crops,
            max_masks=most,
            progress=lambda fraction: shown.update(task, completed=fraction),
        )
    return [
        (
            proposal.mask,
            {
                "score": round(proposal.score, 4),
                "stability": round(proposal.stability, 4),
                "agreement": round(proposal.agreement, 4),
            },
        )
        for proposal in proposals
    ]


def _write(
    target: Path,
    forms: Sequence[str],
    image: str,
    opened: Image.Image,
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
        document = {"image": name, "size": list(opened.size), "regions": regions}
        return (strict_json.dumps(document, indent=2) + "\n").encode()

    def coco() -> bytes:
        extras = [extra for _, extra in found]
        document = coco_document(name, opened.size, arrays, extras=extras)
        return (strict_json.dumps(document, indent=2) + "\n").encode()

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
    note(f"{len(arrays)} {what} in {target}")
