"""`finecaption choose`: which of these values fits a region best?"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Annotated

import typer

from finecaption.cli.completion import attributes
from finecaption.cli.console import Quiet, Verbose, note, status
from finecaption.cli.options import (
    MODEL,
    AsJson,
    Boxes,
    Device,
    ImageFile,
    Labels,
    Masks,
    Model,
    Points,
    open_model,
    parse_regions,
    region_prompts,
)
from finecaption.errors import InputError
from finecaption.io import strict_json

if TYPE_CHECKING:
    from finecaption.inference.choice_scoring import ChoiceScores

app = typer.Typer(
    add_completion=False, help="Score given values of an attribute: which one fits a region best?"
)

_BAR = 24  # characters of a full bar


@app.command()
def choose(
    image: ImageFile,
    choices: Annotated[
        list[str],
        typer.Argument(metavar="CHOICE...", help="The values to score, such as red green blue."),
    ],
    attribute: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help='The attribute that the values belong to, such as "Color".',
            autocompletion=attributes,
        ),
    ],
    mask: Masks = None,
    label: Labels = None,
    box: Boxes = None,
    point: Points = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help='The sentence to score, such as "The hat is {choice}." (default: the model\'s own '
            "wording). Repeat it for several wordings.",
        ),
    ] = None,
    as_json: AsJson = False,
    model: Model = MODEL,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score given values instead of writing freely: which one fits the region best?

    Prints the values with their probabilities, best first. The probabilities sum to 1: they say
    which value is the likeliest, not whether any of them is right.
    """
    from finecaption.attributes import resolve_attribute
    from finecaption.io.images import load_image

    # Everything that can be wrong is checked before the seconds that the model takes.
    name = resolve_attribute(attribute).name
    prompts = region_prompts(box or (), point or ())
    if len(mask or ()) + len(prompts) != 1:
        raise InputError("region: give one of --mask, or --box, --point or both")
    opened = load_image(image)
    (region,) = parse_regions(opened.size, mask or (), prompts, label or ())
    with status("Loading the model"):
        from finecaption.protocol import require

        captioner = open_model(model, device)
        require(captioner, "choose")
        from finecaption.inference.choice_scoring import UnknownWord

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownWord)  # printed below
            scores = captioner.choice_scores(opened, region, name, choices, template=template)
    for choice in scores.unknown:
        note(f'note: "{choice}" has words that the model does not know; its probability is 0')
    _print(image, name, scores, as_json)


def _print(image: str, name: str, scores: ChoiceScores, as_json: bool) -> None:
    probabilities = scores.probabilities
    if as_json:
        record = {
            "image": image,
            "attribute": name,
            "choices": {choice: round(value, 6) for choice, value in probabilities.items()},
            "unknown": list(scores.unknown),
        }
        print(strict_json.dumps(record, indent=2))
        return
    wide = max(map(len, probabilities))
    terminal = sys.stdout.isatty()
    for choice, value in probabilities.items():
        bar = f"  {'█' * round(value * _BAR)}" if terminal else ""
        print(f"{choice:<{wide}}  {value:6.1%}{bar}".rstrip())
