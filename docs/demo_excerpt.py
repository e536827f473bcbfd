"""Writes the first table of README.md: the demo's image, its mask, and right answers about it.

    python docs/demo_excerpt.py

The image and the mask are those of `make demo`. The shipped model answers all 18 questions, and the
ground truth of the scene (examples/make.py) decides which answers are right; the table shows some
of these, and the sentence below it counts the others. For a new model or new examples, run it
after benchmarks/golden_answers.py.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Collection, Mapping
from pathlib import Path

from finecaption_synth.markdown import rewrite_section
from finecaption_synth.reading import is_not_applicable, score
from finecaption_synth.vocabulary import COLOURS as COLORS
from finecaption_synth.vocabulary import inapplicable

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    "One-Sentence Description", "Category Name", "Body Pose/Gesture", "Color", "State or Activity",
    "Clothing Shoes Accessories", "Shape", "Interaction with Other Objects", "Visible Text", "Hair",
)  # fmt: skip
"""In this order of preference."""
MOST = 7


def colors_fit(text: str, seen: Collection[tuple[str, str]]) -> bool:
    """Whether every object that a text names with a color is in the image in this color.

    The evaluation asks only which kind of object another one is linked to; a reader of the page
    sees its color, too.

    Args:
        seen: (color, category) of all objects of the image.
    """
    colors = "|".join(COLORS)
    for category in {category for _, category in seen}:
        for color in re.findall(rf"\b({colors}) {category}\b", text.lower()):
            if (color, category) not in seen:
                return False
    return True


def split_answers(
    captions: Mapping[str, str],
    truth: Mapping[str, Mapping[str, tuple[str, ...]]],
    category: str,
    seen: Collection[tuple[str, str]] = (),
) -> tuple[dict[str, str], dict[str, str]]:
    """The right and the wrong answers; those without a ground truth are in neither.

    Args:
        captions: attribute -> answer.
        truth: attribute -> facet -> accepted values.
        category: of the region; it decides which questions cannot apply.
        seen: see `colors_fit`.
    """
    right, wrong = {}, {}
    for name, text in captions.items():
        if name in truth:
            good = all(score(name, text, dict(truth[name])).values()) and colors_fit(text, seen)
        elif name in inapplicable(category):
            good = is_not_applicable(text, name)
        else:
            continue
        (right if good else wrong)[name] = text
    return right, wrong


def table(image: str, mask: str, right: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    """The section, in Markdown."""
    shown = {name: right[name] for name in SHOWN if name in right}
    shown = dict(list(shown.items())[:MOST])
    answers = "<br>".join(f"{name}: *{text}*" for name, text in shown.items())
    count = len(right) + len(wrong)
    errors = "; ".join(f"{name}: *{text}*" for name, text in list(wrong.items())[:2])
    note = f"{len(right)} of the {count} answers that can be checked are right."
    if errors:
        note += f" These are among the wrong ones: {errors}"
    return (
        f"| `{image}` | `--mask {mask}` | What `make demo` prints ({len(shown)} answers) |\n"
        "| --- | --- | --- |\n"
        f"| ![The image: a synthetic scene]({image}) | ![The mask, white on black]({mask}) | "
        f"{answers} |\n\n{note}"
    )


def main(page: Path = ROOT / "README.md") -> None:
    """Asks the shipped model and rewrites the page."""
    from finecaption import FineCaption
    from finecaption_synth.observe import observe
    from finecaption_synth.scene import sample_scene

    makefile = (ROOT / "Makefile").read_text("utf-8")
    image = re.search(r"DEMO_SCENE \?= (\S+)", makefile)
    mask = re.search(r"DEMO_REGION \?= --mask (\S+)", makefile)
    assert image and mask
    scenes = runpy.run_path(str(ROOT / "examples/make.py"))["SCENES"]
    seed, index = scenes[Path(image[1]).stem]
    category = Path(mask[1]).stem
    regions = observe(sample_scene("test", seed, index)).truth.regions
    (region,) = [one for one in regions if one.category == category]
    seen = {(one.colour, one.category) for one in regions}
    captioner = FineCaption.from_pretrained("finecaption-mini")
    result = captioner.caption(ROOT / image[1], mask=ROOT / mask[1], attributes="all")
    right, wrong = split_answers(result.regions[0].captions, region.attributes, category, seen)
    rewrite_section(page, "demo", table(image[1], mask[1], right, wrong))


if __name__ == "__main__":
    main()
