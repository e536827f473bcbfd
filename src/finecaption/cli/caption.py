"""`finecaption caption`: describe regions of a picture; `cli.bulk` has many pictures."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.caption_output import check_save, peak_memory, print_result, save_picture
from finecaption.cli.options import MODEL, AsJson, Device, Model
from finecaption.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

    from finecaption.captioner import CaptionResult
    from finecaption.types import RegionPrompt

_DECODING = "How answers are written"
_MANY = "Many pictures"


app = typer.Typer(help="Describe regions of a picture, attribute by attribute.")


@app.command()
def caption(
    image: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="Picture file; - reads stdin. With --out: folder, pattern, manifest.jsonl, "
            "coco.json, FORMAT:PATH of a data set, or several files.",
        ),
    ],
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Region: a mask of the picture's size. Repeat for several regions."
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X0,Y0,X1,Y1", help="Region: the thing in this box. Repeat for several regions."
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y[:-]",
            help="Region: the thing under the click; :- marks what does not belong to it. All "
            "points are of one region; with one --box, of the thing in it.",
        ),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help='Ask for an attribute, e.g. "Color". Repeat for more.'),
    ] = None,
    all_attributes: Annotated[
        bool, typer.Option("--all", help="Ask for all 18 attributes.")
    ] = False,
    dense: Annotated[bool, typer.Option("--dense", help="A paragraph on each region.")] = False,
    whole: Annotated[bool, typer.Option("--global", help="A paragraph on the picture.")] = False,
    as_json: AsJson = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw outlines and captions into this picture."),
    ] = None,
    model: Model = MODEL,
    device: Device = None,
    quantize: Annotated[
        str | None,
        typer.Option(metavar="int8|nf4", help="Hold the language model in fewer bits."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Say at the end how much memory was used at most.")
    ] = False,
    length: Annotated[
        str | None, typer.Option(help="brief, sentence or paragraph.", rich_help_panel=_DECODING)
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="0: the likeliest words.", rich_help_panel=_DECODING)
    ] = 0.0,
    top_p: Annotated[
        float, typer.Option(help="Draw from words of this share.", rich_help_panel=_DECODING)
    ] = 1.0,
    top_k: Annotated[
        int, typer.Option(help="Draw from so many; 0: all.", rich_help_panel=_DECODING)
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Of the drawing.", rich_help_panel=_DECODING)
    ] = None,
    beams: Annotated[int, typer.Option(help="Of beam search.", rich_help_panel=_DECODING)] = 1,
    guidance: Annotated[
        float, typer.Option(help="How much more the region counts.", rich_help_panel=_DECODING)
    ] = 0.0,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Of an answer, at most.", rich_help_panel=_DECODING)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Results of many pictures: .jsonl, .csv, .json (COCO), .html, or a folder.",
            rich_help_panel=_MANY,
        ),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="LIST",
            help="Of jsonl,csv,coco,txt,html,png.",
            rich_help_panel=_MANY,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an earlier run.", rich_help_panel=_MANY)
    ] = False,
    on_existing: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Results that are there: skip, overwrite or append.",
            rich_help_panel=_MANY,
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything", help="Find the regions of pictures without any.", rich_help_panel=_MANY
        ),
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Pictures of a manifest or data set.", rich_help_panel=_MANY
        ),
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What failed (default: errors.jsonl beside the results).",
            rich_help_panel=_MANY,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(help="Pictures at once.", rich_help_panel=_MANY)] = 16,
    engine: Annotated[
        str, typer.Option(help="local, or ray: a Ray cluster.", rich_help_panel=_MANY)
    ] = "local",
    workers: Annotated[int, typer.Option(help="Of the Ray cluster.", rich_help_panel=_MANY)] = 2,
    gpus: Annotated[
        float | None, typer.Option(help="Of each worker.", rich_help_panel=_MANY)
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster.", rich_help_panel=_MANY)
    ] = None,
) -> None:
    """Describe regions of a picture, or of many, attribute by attribute.

    Without a question, each region gets a sentence and a paragraph; without a region, the whole
    picture is described.
    """
    from finecaption.attributes import ATTRIBUTE_NAMES, resolve_attribute

    # All that can be wrong is looked at before the seconds that the model takes.
    if all_attributes and attribute:
        raise InputError("--all and --attribute: give one of them; --all asks for every attribute")
    names = [resolve_attribute(name).name for name in attribute or ()]
    if all_attributes:
        names = list(ATTRIBUTE_NAMES)
    decoding = _decoding(
        length=length, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed, beams=beams,
        guidance=guidance, max_new_tokens=max_new_tokens,
    )  # fmt: skip
    if out is not None or _many(image):
        one = {"--mask": mask, "--box": box, "--point": point, "--json": as_json, "--save": save,
               "--quantize": quantize, "--memory": memory}  # fmt: skip
        _refuse(one, f"is for one picture; {image[0]} with --out stands for many")
        if out is None:
            what = "is a folder" if Path(image[0]).is_dir() else "stands for many pictures"
            raise InputError(f"{image[0]}: {what}; give --out captions.jsonl to have all described")
        from finecaption.bulk.settings import Questions
        from finecaption.cli.bulk import caption_many

        caption_many(
            image, out, Questions(tuple(names), dense, whole, everything, decoding),
            formats=formats, resume=resume, on_existing=on_existing, images=images, errors=errors,
            batch=batch, model=model, device=device, engine=engine, workers=workers, gpus=gpus,
            address=address,
        )  # fmt: skip
        return
    many = {"--format": formats, "--resume": resume, "--on-existing": on_existing,
            "--images": images, "--errors": errors, "--everything": everything}  # fmt: skip
    _refuse(many, "belongs to --out; give a file or folder for the results")
    _one(image[0], mask or (), box or (), point or (), names, all_attributes, dense, whole,
         as_json, save, model, device, quantize, decoding)  # fmt: skip
    if memory or quantize:
        typer.echo(peak_memory(), err=True)


def _decoding(**given: Any) -> dict[str, Any]:
    """The fields that are not at their default, checked as far as that goes without torch."""
    usual = {"temperature": 0.0, "top_p": 1.0, "top_k": 0, "beams": 1, "guidance": 0.0}
    return {name: value for name, value in given.items() if value != usual.get(name)}


def _many(given: Sequence[str]) -> bool:
    if list(given) == ["-"]:
        return False
    from finecaption.bulk.sources import stands_for_many

    return stands_for_many(given)


def _refuse(options: Mapping[str, Any], why: str) -> None:
    for name, value in options.items():
        if value:
            raise InputError(f"{name}: {why}")


def _one(
    image: str,
    mask: Sequence[str],
    box: Sequence[str],
    point: Sequence[str],
    names: list[str],
    all_attributes: bool,
    dense: bool,
    whole: bool,
    as_json: bool,
    save: Path | None,
    model: str,
    device: str | None,
    quantize: str | None,
    decoding: dict[str, Any],
) -> None:
    """One picture, printed."""
    from finecaption.io.images import load_image

    if save is not None:
        check_save(save, image)
    prompts = _prompts(box, point)
    has_region = bool(mask or prompts)
    if not has_region and names:
        which = "--all" if all_attributes else "--attribute"
        raise InputError(f"{which}: asks about a region; give --mask, --box or --point")
    picture = load_image(_stdin() if image == "-" else image)
    regions = [_mask_region(file, picture.size) for file in mask]
    asked: list[Any] = [*regions, *(prompt.within(picture.size) for prompt in prompts)]
    if not has_region and not whole:
        typer.echo(
            "no region given (--mask, --box, --point): describing the whole picture", err=True
        )

    dense = dense and has_region
    result = _run(picture, asked, names, dense, whole, image, model, device, quantize, decoding)
    if save is not None:
        save_picture(save, picture, result)
    print_result(result, as_json)


def _prompts(boxes: Sequence[str], points: Sequence[str]) -> list[RegionPrompt]:
    from finecaption.io.geometry import parse_box, parse_point
    from finecaption.types import RegionPrompt

    frames = [parse_box(text, "--box") for text in boxes]
    clicks = tuple(parse_point(text, "--point") for text in points)
    if len(frames) > 1 and clicks:
        raise InputError(
            "--point: which of the boxes it belongs to is not clear; give one --box, or none"
        )
    if len(frames) == 1:
        return [RegionPrompt(clicks, frames[0])]
    if clicks and not any(click.positive for click in clicks):
        raise InputError("--point: give at least one click on the thing, without :-")
    return [RegionPrompt((), frame) for frame in frames] + (
        [RegionPrompt(clicks)] if clicks else []
    )


def _mask_region(file: str, size: tuple[int, int]) -> Any:
    from finecaption.io.masks import load_mask
    from finecaption.types import Region

    values = load_mask(file, size)
    if not values.any():
        raise InputError(f"{file}: the mask is empty; mark at least one pixel of the region")
    return Region(values)


def _stdin() -> bytes:
    if sys.stdin.isatty():
        typer.echo("reading the picture from standard input", err=True)
    data = sys.stdin.buffer.read()
    if not data:
        raise InputError("-: standard input is empty; pipe a picture into it")
    return data


def _run(
    picture: Image.Image,
    regions: list[Any],
    names: list[str],
    dense: bool,
    whole: bool,
    image: str,
    model: str,
    device: str | None,
    quantize: str | None,
    decoding: dict[str, Any],
) -> CaptionResult:
    from dataclasses import replace

    from rich.console import Console

    console = Console(stderr=True)
    with console.status("Loading the model") as status:
        from transformers.utils import logging

        logging.disable_progress_bar()  # the status line says it
        logging.set_verbosity_error()
        from finecaption.captioner import FineCaption
        from finecaption.generation import Decoding

        how = Decoding(**decoding)
        captioner = FineCaption.from_pretrained(model, device, quantize=quantize)
        status.update("Looking at the picture")

        def told(done: int, total: int) -> None:
            status.update(f"Describing: {done} of {total} answers")

        result = captioner.caption(
            picture, regions=regions, attributes=names or None, dense=dense, whole=whole,
            decoding=how, progress=told,
        )  # fmt: skip
    return replace(result, image=image)
