"""The maps recover known curves, are monotone, keep few answers near the pooled map, and last."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.io.checkpoint import resolve_model
from finecaption.trust.calibration import CALIBRATION_FILE, Calibration, Curve, calibration_error


def drawn(curve: Curve, count: int, seed: int) -> tuple[list[float], list[int], list[bool]]:
    """Mean log-probabilities, tokens and marks of answers that a curve is true of."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(3, 12, count)
    totals = -rng.gamma(1.2, 1.5, count)
    marks = rng.random(count) < [curve(total) for total in totals]
    return (totals / tokens).tolist(), tokens.tolist(), marks.tolist()


EASY, HARD = Curve(4.0, 3.0), Curve(0.5, 1.0)


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    easy, hard = drawn(EASY, 4000, 1), drawn(HARD, 4000, 2)
    names = ["Color"] * 4000 + ["Hair"] * 4000
    joined = [a + b for a, b in zip(easy, hard, strict=True)]
    return Calibration.fit(names, *joined, about={"data": "made up"})


def test_curves_are_recovered(fitted: Calibration) -> None:
    for name, curve in (("Color", EASY), ("Hair", HARD)):
        for total in (-0.1, -0.5, -1.5, -4.0):
            assert fitted.probability(name, total / 5, 5) == pytest.approx(curve(total), abs=0.06)


def test_held_out_answers_are_calibrated(fitted: Calibration) -> None:
    logprobs, tokens, right = drawn(EASY, 4000, 9)
    given = [fitted.probability("Color", m, n) for m, n in zip(logprobs, tokens, strict=True)]
    raw = np.exp(logprobs).tolist()
    assert None not in given
    assert calibration_error([p or 0.0 for p in given], right) < 0.03
    assert calibration_error(raw, right) > 0.05


@given(st.floats(-50, 0), st.floats(-50, 0), st.integers(1, 200), st.sampled_from(["Hair", "New"]))
def test_surer_is_never_less_likely(
    fitted: Calibration, one: float, other: float, tokens: int, name: str
) -> None:
    low, high = sorted((one, other))
    less, more = fitted.probability(name, low, tokens), fitted.probability(name, high, tokens)
    assert less is not None and more is not None
    assert 0 <= less <= more <= 1


def test_a_reversed_attribute_gets_a_level() -> None:
    logprobs, tokens, right = drawn(EASY, 800, 3)
    wrong = [not mark for mark in right]
    found = Calibration.fit(["Hair"] * 800, logprobs, tokens, wrong)
    curve = found.attributes["Hair"]
    assert curve.slope == 0
    assert curve(-0.1) == curve(-5.0) == pytest.approx(np.mean(wrong), abs=0.02)


def test_few_answers_keep_to_the_pooled_map(fitted: Calibration) -> None:
    logprobs, tokens, right = drawn(EASY, 4000, 1)
    names = ["Color"] * 3998 + ["Hair"] * 2
    found = Calibration.fit(names, logprobs, tokens, [*right[:-2], False, False])
    rare, pooled = found.probability("Hair", -0.1, 5), found.probability("other", -0.1, 5)
    assert rare is not None and pooled is not None
    assert 0.5 * pooled < rare < pooled


def test_names_without_a_map(fitted: Calibration) -> None:
    assert fitted.probability("Mood", -0.2, 6) == fitted.pooled(-1.2)
    assert fitted.probability("dense", -0.2, 60) is None
    assert fitted.probability("global", -0.2, 60) is None


def test_odd_figures(fitted: Calibration) -> None:
    assert fitted.probability("Color", float("nan"), 4) == 0.0
    assert fitted.probability("Color", float("-inf"), 4) == 0.0
    assert fitted.probability("Color", 1e-9, 4) == fitted.probability("Color", 0.0, 4)


def test_it_lasts(fitted: Calibration, tmp_path: Path) -> None:
    assert Calibration.load(tmp_path) is None
    path = fitted.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [CALIBRATION_FILE]
    again = Calibration.load(tmp_path)
    assert again is not None and again.about == {"data": "made up"}
    assert again.attributes["Hair"].answers == 4000
    for name in ("Color", "Hair", "other"):
        one, other = again.probability(name, -0.3, 6), fitted.probability(name, -0.3, 6)
        assert one == pytest.approx(other, abs=1e-4)
    assert json.loads(path.read_text())["version"] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("pooled"),
        lambda data: data.update(version=2),
        lambda data: data["attributes"]["Hair"].update(slope=-1),
        lambda data: data["attributes"]["Hair"].update(level="high"),
        lambda data: data.update(attributes=[]),
    ],
)
def test_broken_files_are_named(fitted: Calibration, tmp_path: Path, change: object) -> None:
    path = fitted.save(tmp_path)
    data = json.loads(path.read_text())
    assert callable(change)
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="calibration.json: is broken"):
        Calibration.load(tmp_path)


@pytest.mark.parametrize(
    ("names", "logprobs", "tokens", "right"),
    [
        ([], [], [], []),
        (["Hair"], [-0.1, -0.2], [3], [True]),
        (["Hair"], [0.5], [3], [True]),
        (["Hair"], [float("nan")], [3], [True]),
    ],
)
def test_unusable_answers(
    names: list[str], logprobs: list[float], tokens: list[int], right: list[bool]
) -> None:
    with pytest.raises(InputError, match="calibration"):
        Calibration.fit(names, logprobs, tokens, right)


def test_calibration_error() -> None:
    assert calibration_error([1.0, 1.0], [True, False]) == pytest.approx(0.5)
    assert calibration_error([0.25, 0.25, 0.25, 0.25], [True, False, False, False]) == 0


def test_the_shipped_model_has_one() -> None:
    shipped = Calibration.load(resolve_model("finecaption-mini"))
    assert shipped is not None
    assert set(shipped.attributes) == set(ATTRIBUTE_NAMES)
    assert shipped.about["data"] == "synth:val"
    sure, unsure = (shipped.probability("Color", mean, 6) for mean in (-0.01, -0.6))
    assert sure is not None and unsure is not None and sure > 0.9 > unsure


def test_no_torch() -> None:
    code = "import sys, finecaption.trust.calibration; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
