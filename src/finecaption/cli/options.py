"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli import completion
from finecaption.cli.console import detail
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.decoding import Decoding
    from finecaption.types import Region, RegionPrompt

ImageFile = Annotated[str, typer.Argument(metavar="IMAGE", help="The image file.")]
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME|FOLDER",
        help="The model: a name, the folder of a checkpoint, or openai:MODEL@ADDRESS.",
        autocompletion=completion.models,
    ),
]
MODEL = "finecaption-mini"
Device = Annotated[
    str | None,
    typer.Option(
        metavar="cpu|cuda",
        help="The device to run on (default: cuda if there is one).",
        autocompletion=completion.devices,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

# of regions
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="FILE",
        help="The mask of a region, an image of the same size. Repeat it for several regions.",
    ),
]
Labels = Annotated[
    list[int] | None,
    typer.Option(
        "--label",
        metavar="N",
        help="The value of the region's pixels, if --mask holds the labels of several things. "
        "Repeat it to join several.",
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X0,Y0,X1,Y1",
        help="A box around the object to describe. Repeat it for several regions.",
    ),
]
Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y[:-]",
        help="A click on the object to describe; :- marks a point that does not belong to it. All "
        "points refer to one region, or with one --box to the object in that box.",
    ),
]

# of questions
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        metavar="NAME",
        help='Ask for an attribute, such as "Color". Repeat it for more.',
        autocompletion=completion.attributes,
    ),
]
AllAttributes = Annotated[bool, typer.Option("--all", help="Ask for all 18 attributes.")]
Dense = Annotated[bool, typer.Option("--dense", help="Ask for a paragraph about each region.")]
Whole = Annotated[bool, typer.Option("--global", help="Ask for a paragraph about the whole image.")]

# of decoding
_DECODING = "How answers are written"
Length = Annotated[
    str | None,
    typer.Option(
        metavar="brief|sentence|paragraph",
        help="Cut each answer to this length.",
        rich_help_panel=_DECODING,
        autocompletion=completion.lengths,
    ),
]
Temperature = Annotated[
    float, typer.Option(help="Sampling temperature; 0 decodes greedily.", rich_help_panel=_DECODING)
]
TopP = Annotated[float, typer.Option(help="Nucleus-sampling threshold.", rich_help_panel=_DECODING)]
TopK = Annotated[
    int,
    typer.Option(
        help="Sample from this many of the likeliest tokens; 0 takes all.",
        rich_help_panel=_DECODING,
    ),
]
Seed = Annotated[
    int | None, typer.Option(help="Random seed for sampling.", rich_help_panel=_DECODING)
]
Beams = Annotated[int, typer.Option(help="Width of the beam search.", rich_help_panel=_DECODING)]
Guidance = Annotated[
    float,
    typer.Option(
        help="Strength of guidance towards the region; 0 turns it off.", rich_help_panel=_DECODING
    ),
]
MaxNewTokens = Annotated[
    int | None, typer.Option(help="Maximum tokens per answer.", rich_help_panel=_DECODING)
]

# of servers
Host = Annotated[
    str | None,
    typer.Option(help="Address to listen on (default: 127.0.0.1; 0.0.0.0 listens on all)."),
]
Port = Annotated[
    int | None, typer.Option(help="Port to listen on (default: 8000; 0 takes a free one).")
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Read settings from a .toml or .env file.")
]

# of datasets
Src = Annotated[Path, typer.Argument(metavar="SRC", help="File or folder of the dataset.")]
Images = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder of the images, if they are elsewhere.")
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out broken records, count them and list them.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Remove an existing output first.")]


def attribute_names(attributes: Sequence[str] | None, everything: bool) -> tuple[str, ...]:
    """Of --attribute and --all.

    Raises:
        InputError: an unknown name, or both options.
    """
    from finecaption.request import attribute_names as names_of

    if everything and attributes:
        raise InputError("--all and --attribute: give one of them; --all asks for every attribute")
    return names_of("all" if everything else list(attributes or ()))


def make_decoding(**given: Any) -> Decoding | None:
    """Of the options of decoding; None if all are at their default.

    Raises:
        InputError: a value is out of its range.
    """
    from finecaption.decoding import Decoding

    made = Decoding(**given)
    return None if made == Decoding() else made


def region_prompts(boxes: Sequence[str], points: Sequence[str]) -> list[RegionPrompt]:
    """Of --box and --point: a prompt a box; all points are one, or of the only box.

    Raises:
        InputError: no such numbers, points of several boxes, or only negative ones.
    """
    from finecaption.io.geometry import parse_box, parse_point
    from finecaption.types import RegionPrompt

    frames = [parse_box(text, "--box") for text in boxes]
    clicks = tuple(parse_point(text, "--point") for text in points)
    if len(frames) > 1 and clicks:
        raise InputError(
            "--point: which of the boxes it belongs to is not clear; give one --box, or none"
        )
    if clicks and not frames and not any(click.positive for click in clicks):
        raise InputError("--point: give at least one click on the object, without :-")
    if len(frames) == 1:
        return [RegionPrompt(clicks, frames[0])]
    return [RegionPrompt((), frame) for frame in frames] + (
        [RegionPrompt(clicks)] if clicks else []
    )


def parse_regions(
    size: tuple[int, int],
    masks: Sequence[str],
    prompts: Sequence[RegionPrompt],
    labels: Sequence[int] = (),
) -> list[Region | RegionPrompt]:
    """Of --mask with --label, then --box and --point, for an image of (width, height).

    Raises:
        InputError: a mask that cannot be used, or a prompt outside the image.
    """
    from finecaption.request import parse_region

    if labels and not masks:
        raise InputError("--label: says which pixels of a --mask count; give --mask, too")
    return [
        *(
            parse_region({"mask": file, "label": labels} if labels else file, size, "--mask")
            for file in masks
        ),
        *prompts_within(prompts, size),
    ]


def prompts_within(prompts: Sequence[RegionPrompt], size: tuple[int, int]) -> list[RegionPrompt]:
    """The prompts, boxes cut to an image of (width, height).

    Raises:
        InputError: --point or --box lies outside.
    """
    from finecaption.io.geometry import check_box, check_point

    for prompt in prompts:
        for point in prompt.points:
            check_point(point, size, "--point")
        if prompt.box is not None:
            check_box(prompt.box, size, "--box")
    return [prompt.within(size) for prompt in prompts]


def open_model(name: str, device: str | None = None, quantize: str | None = None) -> Any:
    """The `finecaption.protocol.Captioner` that --model names.

    Raises:
        InputError: there is none, or it cannot be loaded.
    """
    from finecaption.io.checkpoint import own_folder

    folder = own_folder(name)
    if folder is not None:
        from finecaption.captioner import FineCaption

        captioner = FineCaption.from_pretrained(folder, device, quantize=quantize)
        detail(f"model: {folder} on {captioner.device}")
        return captioner
    if quantize is not None:
        raise InputError(f"--quantize: is for models of finecaption; {name} is none")
    from finecaption.captioners.registry import open_captioner

    return open_captioner(name, device=device)
