"""`finecaption caption`: describe regions of one image; `finecaption batch` takes many."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from finecaption.cli.caption_output import check_save, peak_memory, print_result, save_image
from finecaption.cli.completion import one_of
from finecaption.cli.console import Quiet, Verbose, note, status
from finecaption.cli.options import (
    MODEL,
    AllAttributes,
    AsJson,
    Attributes,
    Beams,
    Boxes,
    Dense,
    Device,
    Guidance,
    Labels,
    Length,
    Masks,
    MaxNewTokens,
    Model,
    Points,
    Seed,
    Temperature,
    TopK,
    TopP,
    Whole,
    attribute_names,
    make_decoding,
    open_model,
    parse_regions,
    region_prompts,
)
from finecaption.errors import InputError

app = typer.Typer(
    add_completion=False, help="Describe regions of an image, attribute by attribute."
)


@app.command()
def caption(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="The image file; - reads standard input.")
    ],
    mask: Masks = None,
    label: Labels = None,
    box: Boxes = None,
    point: Points = None,
    attribute: Attributes = None,
    all_attributes: AllAttributes = False,
    dense: Dense = False,
    whole: Whole = False,
    as_json: AsJson = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.png", help="Save a copy of the image with outlines and captions."
        ),
    ] = None,
    model: Model = MODEL,
    device: Device = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="int8|nf4",
            help="Quantize the language model to 8 or 4 bits.",
            autocompletion=one_of("int8", "nf4"),
        ),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Print the peak memory at the end.")
    ] = False,
    length: Length = None,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    top_k: TopK = 0,
    seed: Seed = None,
    beams: Beams = 1,
    guidance: Guidance = 0.0,
    max_new_tokens: MaxNewTokens = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Describe regions of an image, attribute by attribute.

    Without a question, each region gets a sentence and a paragraph; without a region, the whole
    image is described. For folders and lists of images, see `finecaption batch`.
    """
    from finecaption.io.images import load_image
    from finecaption.request import Request

    # Everything that can be wrong is checked before the seconds that the model takes.
    names = attribute_names(attribute, all_attributes)
    decoding = make_decoding(
        length=length,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        beams=beams,
        guidance=guidance,
        max_new_tokens=max_new_tokens,
    )
    _check_one(image)
    if save is not None:
        check_save(save, image)
    prompts = region_prompts(box or (), point or ())
    if names and not (mask or prompts):
        which = "--all" if all_attributes else "--attribute"
        raise InputError(f"{which}: asks about a region; give --mask, --box or --point")
    opened = load_image(_stdin() if image == "-" else image)
    regions = parse_regions(opened.size, mask or (), prompts, label or ())
    request = Request(opened, regions, names, dense, whole, decoding)
    if not regions and not whole:
        note("no region given (--mask, --box, --point): describing the whole image")
    with status("Loading the model") as shown:
        captioner = open_model(model, device, quantize)
        shown.update("Encoding the image")
        (result,) = captioner.caption_batch([request], progress=_progress(shown))
    if isinstance(result, InputError):
        raise result
    from dataclasses import replace

    result = replace(result, image=image)
    if save is not None:
        save_image(save, opened, result)
    print_result(result, as_json)
    if memory or quantize:
        typer.echo(peak_memory(), err=True)  # asked for, so -q does not silence it


def _check_one(image: str) -> None:
    """Raises InputError if it stands for many images."""
    if os.path.isdir(image) or Path(image).suffix.lower() in (".jsonl", ".json"):
        what = "is a folder" if os.path.isdir(image) else "stands for many images"
        raise InputError(
            f"{image}: {what}; to describe them all: finecaption batch {image} --out captions.jsonl"
        )


def _progress(shown: Any) -> Any:
    return lambda done, total: shown.update(f"Describing: {done} of {total} answers")


def _stdin() -> bytes:
    if sys.stdin.isatty():
        note("reading the image from standard input")
    data = sys.stdin.buffer.read()
    if not data:
        raise InputError("-: standard input is empty; pipe an image into it")
    return data
