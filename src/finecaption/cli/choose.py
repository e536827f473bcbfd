"""`finecaption choose`: which of these values fits a region best?"""

from __future__ import annotations

import json
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finecaption.cli.options import MODEL, AsJson, Device, Model, Picture
from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.choices import ChoiceScores

app = typer.Typer(help="Score given values of an attribute: which one fits a region best?")

_BAR = 24  # characters of a full bar


@app.command()
def choose(
    image: Picture,
    choices: Annotated[
        list[str], typer.Argument(metavar="CHOICE...", help="The values, e.g. red green blue.")
    ],
    attribute: Annotated[
        str, typer.Option(metavar="NAME", help='The attribute they are of, e.g. "Color".')
    ],
    mask: Annotated[
        str | None, typer.Option(metavar="FILE", help="Region: a mask of the picture's size.")
    ] = None,
    box: Annotated[
        str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Region: the thing in this box.")
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y[:-]",
            help="Region: the thing under the click; :- marks what does not belong to it. May be "
            "repeated, and given with --box.",
        ),
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help='Sentence to score, e.g. "The hat is {choice}." (default: as the model itself '
            "would say it). Repeat for several wordings.",
        ),
    ] = None,
    as_json: AsJson = False,
    model: Model = MODEL,
    device: Device = None,
) -> None:
    """Score given values instead of writing freely: which one fits the region best?

    Prints the values with their probabilities, the best first; the probabilities sum to 1, so they
    say which of the values is likeliest, not whether any of them is right.
    """
    from finecaption.attributes import resolve_attribute
    from finecaption.io.images import load_image

    # All that can be wrong is looked at before the seconds that the model takes.
    name = resolve_attribute(attribute).name
    if (mask is None) == (box is None and not point):
        raise InputError("region: give one of --mask, or --box, --point or both")
    picture = load_image(image)
    region = _region(picture.size, mask, box, point or [])
    from rich.console import Console

    with Console(stderr=True).status("Loading the model"):
        from transformers.utils import logging

        logging.disable_progress_bar()  # the status line says it
        logging.set_verbosity_error()
        from finecaption.captioner import FineCaption
        from finecaption.choices import UnknownWord
        from finecaption.choices import choose as score

        captioner = FineCaption.from_pretrained(model, device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownWord)  # told below
            scores = score(captioner, picture, region, name, choices, template=template)
    for choice in scores.unknown:
        print(
            f'note: "{choice}" has words that the model does not know: given as 0', file=sys.stderr
        )
    _print(image, name, scores, as_json)


def _region(size: tuple[int, int], mask: str | None, box: str | None, points: list[str]) -> Any:
    from finecaption.io.geometry import parse_box, parse_point
    from finecaption.io.masks import load_mask
    from finecaption.types import Region, RegionPrompt

    if mask is not None:
        values = load_mask(mask, size)
        if not values.any():
            raise InputError(f"{mask}: the mask is empty; mark at least one pixel of the region")
        return Region(values)
    clicks = tuple(parse_point(text, "--point") for text in points)
    return RegionPrompt(clicks, None if box is None else parse_box(box, "--box")).within(size)


def _print(image: str, name: str, scores: ChoiceScores, as_json: bool) -> None:
    shares = scores.probabilities
    if as_json:
        record = {
            "image": image,
            "attribute": name,
            "choices": {choice: round(share, 6) for choice, share in shares.items()},
            "unknown": list(scores.unknown),
        }
        print(json.dumps(record, indent=2))
        return
    wide = max(map(len, shares))
    terminal = sys.stdout.isatty()
    for choice, share in shares.items():
        bar = f"  {'█' * round(share * _BAR)}" if terminal else ""
        print(f"{choice:<{wide}}  {share:6.1%}{bar}".rstrip())
