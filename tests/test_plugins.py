"""What other packages add, and what is said where they are not installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from finecaption import plugins
from finecaption.cli import main
from finecaption.data.sources import source_class
from finecaption.errors import InputError
from finecaption.eval.truth import installed_truth, known_truth
from finecaption.training.recipes import find_recipe


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no other package were installed."""
    plugins.load.cache_clear()
    monkeypatch.setattr(plugins, "_group", lambda group: {})
    yield
    plugins.load.cache_clear()


def test_everything_that_is_named_is_installed_here() -> None:
    for group, known in plugins._KNOWN.items():
        assert set(known) <= set(plugins.names(group))
        for name in known:
            assert plugins.load(group, name) is not None


@pytest.mark.usefixtures("alone")
def test_the_package_that_is_missing_is_named() -> None:
    says = "needs the package finecaption-synth; pip install finecaption-synth"
    with pytest.raises(InputError, match=f"mini: {says}"):
        find_recipe("mini")
    with pytest.raises(InputError, match=f"synth: {says}"):
        source_class("synth")
    with pytest.raises(InputError, match=f"synth: {says}"):
        known_truth()
    assert installed_truth() is None
    assert plugins.offers("finecaption.recipes", "mini")
    assert not plugins.offers("finecaption.recipes", "maxi")


@pytest.mark.usefixtures("alone")
def test_a_command_of_a_missing_package_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synth", "render"]) == 2
    assert "synth: needs the package finecaption-synth" in capsys.readouterr().err


def test_what_nobody_brings_is_unknown() -> None:
    with pytest.raises(InputError, match="nobody: is unknown"):
        plugins.load("finecaption.truth", "nobody")
