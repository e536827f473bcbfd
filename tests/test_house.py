"""The habits of the house that a machine can check."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import grimp
import pytest

import finecaption

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `code`."""
    code += "\nimport sys; print('|'.join({name.partition('.')[0] for name in sys.modules}))"
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split("|"))


def test_torchvision_stays_out() -> None:
    assert find_spec("torchvision") is None


@pytest.mark.parametrize(
    "code",
    [
        "import finecaption",
        "from finecaption import Region, RegionSample, ATTRIBUTES, load_image",
        "import sys; sys.argv = ['finecaption', '--help']\n"
        "from finecaption.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code, stop.code",
    ],
    ids=["import", "light names", "--help"],
)
def test_torch_is_not_imported_before_it_is_needed(code: str) -> None:
    assert not loaded_after(code) & {"torch", "transformers"}


def test_every_public_name_is_there() -> None:
    assert sorted(finecaption.__all__) == finecaption.__all__
    for name in finecaption.__all__:
        assert getattr(finecaption, name) is not None
    assert set(finecaption.__all__) <= set(dir(finecaption))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = finecaption.nonsense


def test_a_module_that_moved_is_found_with_a_warning() -> None:
    with pytest.warns(
        DeprecationWarning, match=r"finecaption\.masks is now finecaption\.io\.masks"
    ):
        assert finecaption.masks.__name__ == "finecaption.io.masks"


def test_imports_point_down() -> None:
    done = run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("package", ["finecaption", "finecaption_synth", "finecaption_annotate"])
def test_no_imports_run_in_a_circle(package: str) -> None:
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    needs = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    tuple(TopologicalSorter(needs).static_order())  # a CycleError names the modules


def test_every_dependency_is_pinned() -> None:
    pins = {
        re.split("==", line)[0].strip().lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    }
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + extras["train"] + extras["dev"]
    names = {re.split(r"[<>=!~ \[;]", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= pins


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    dependencies = text.partition("\ndependencies = [")[2].partition("[project.scripts]")[0]
    lines = [line for line in dependencies.splitlines() if line.lstrip().startswith('"')]
    assert len(lines) > 10
    # those of other extras that [dev] repeats have theirs above
    bare = [line for line in lines if "#" not in line]
    assert [re.sub(r"[^a-z]", "", line) for line in bare] == [
        "accelerate", "tensorboard", "peft", "pyyaml", "bitsandbytes",
    ]  # fmt: skip
