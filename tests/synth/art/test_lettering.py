from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth import vocabulary as voc
from finecaption_synth.art.extent import extent
from finecaption_synth.art.lettering import lettering, width_of


def ink(word: str) -> np.ndarray:
    """Where the word is, on 160 x 40 pixels."""
    inner = lettering(word, 80, 20, 24, "#ffffff")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="40">{inner}</svg>'
    png = resvg_py.svg_to_bytes(svg_string=svg, background="#000000", skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert("L")) > 127


@pytest.mark.parametrize("word", voc.WORDS)
def test_a_word_is_centred_and_as_large_as_it_says(word: str) -> None:
    svg = lettering(word, 30, -40, 18, "#222222")
    x0, y0, x1, y1 = extent(svg)
    # An I stands in the middle of its cell, so a word that ends in one is narrower than its cells.
    assert (x0 + x1) / 2 == pytest.approx(30, abs=3.5)
    assert (y0 + y1) / 2 == pytest.approx(-40, abs=1)
    # The strokes stand out by half their width on each side.
    assert y1 - y0 == pytest.approx(18 * (1 + 0.95 / 6), abs=1.5)
    assert x1 - x0 == pytest.approx(width_of(word, 18) + 18 * 0.95 / 6, abs=7)


def test_words_are_told_apart() -> None:
    pictures = {word: ink(word) for word in voc.WORDS}
    for a, b in itertools.combinations(voc.WORDS, 2):
        both = pictures[a] & pictures[b]
        assert both.sum() < 0.8 * (pictures[a] | pictures[b]).sum(), (a, b)


def test_bold_is_wider_and_the_colour_is_the_stroke() -> None:
    assert 'stroke="#123456"' in lettering("ART", 0, 0, 12, "#123456")
    x0, _, x1, _ = extent(lettering("ART", 0, 0, 12, "#000000"))
    bx0, _, bx1, _ = extent(lettering("ART", 0, 0, 12, "#000000", bold=2))
    assert bx1 - bx0 > x1 - x0


def test_a_letter_that_no_sign_uses_is_refused() -> None:
    with pytest.raises(KeyError):
        lettering("QUIZ", 0, 0, 12, "#000000")
