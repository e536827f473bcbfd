"""Every command and every Python block of the README and the guides is run; links and figures hold.

Left out are blocks with a title, which says what they need that a test has not (a GPU, minutes), or
that other tests run them.

Commands run in a copy of examples/, in this process, and long ones shortened (`SHORTER`). The
README's run on the shipped model if there is one; all others on a random one under its name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.cli import main
from finecaption.io import checkpoint
from finecaption_synth import domain, figures
from finecaption_synth import vocabulary as voc
from finecaption_synth.markdown import section
from finecaption_synth.training import ship

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "examples/README.md")
)
NAME = "finecaption-mini"
# appended to a command; typer takes the last of an option that is given twice
SHORTER = {
    "synth render": ["--count", "1", "--workers", "1"],
    "train": ["--print-config"],
    "eval": ["--limit", "2", "--twins", "0", "--clicks", "1", "--batch", "1", "--workers", "0"],
}
KEPT = ("--rescore", "--stages", "score", "report")  # nothing to shorten


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    lines = "\n".join(blocks(page, "sh")).splitlines()
    return [line.partition(" #")[0].strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def random_model(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of shipped models with a random one, click segmenter and domain included."""
    from finecaption.model import FineCaptionConfig
    from finecaption.segmentation.click import ClickDecoder, save_segmenter

    folder = tmp_path_factory.mktemp("pretrained") / NAME
    shutil.copytree(tiny_folder, folder)
    save_segmenter(ClickDecoder.for_model(FineCaptionConfig.from_pretrained(folder)), folder)
    return folder


@pytest.fixture(scope="module")
def workplace(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands can be run; nothing of the repository is written to."""
    place = tmp_path_factory.mktemp("work")
    shutil.copytree(ROOT / "examples", place / "examples")
    shutil.copytree(random_model, place / "runs/mini/stage3")
    return place


@pytest.fixture
def at_work(
    request: pytest.FixtureRequest, workplace: Path, random_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    shipped = checkpoint.SHIPPED / NAME
    if request.param != "README.md" or not (shipped / "config.json").is_file():
        monkeypatch.setattr(checkpoint, "SHIPPED", random_model.parent)
    monkeypatch.chdir(workplace)
    return workplace


class _Piped(io.BytesIO):
    @property
    def buffer(self) -> _Piped:
        return self


@contextlib.contextmanager
def _stdin(file: str | None) -> Iterator[None]:
    if file is None:
        yield
        return
    old, sys.stdin = sys.stdin, _Piped(Path(file).read_bytes())  # type: ignore[assignment] # enough of a stream
    try:
        yield
    finally:
        sys.stdin = old


def run(command: str) -> None:
    """Runs one command of the docs; an unknown kind fails, so that none goes untested."""
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif words[:2] == [".", ".venv/bin/activate"]:
        assert "VENV := .venv" in (ROOT / "Makefile").read_text("utf-8")
    elif words[:2] == ["mkdir", "-p"]:
        Path(words[2]).mkdir(parents=True, exist_ok=True)
    elif words[0] == "finecaption":
        _run_finecaption(words[1:])
    elif words[:3] == ["python", "-m", "finecaption_synth.domain"]:
        assert domain.main([*words[3:], "--scenes", "20"]) == 0
    elif words[:3] == ["python", "-m", "finecaption_synth.training.ship"]:
        assert ship.main(words[3:]) == 0
    elif words[0] == "python":
        _run_script(words[1:])
    else:
        pytest.fail(f"a command of a kind that this test does not run: {command}")


def _run_finecaption(words: list[str]) -> None:
    file = None
    if "<" in words:
        at = words.index("<")
        words, file = words[:at], words[at + 1]
    if not set(KEPT) & set(words):
        for name, more in SHORTER.items():
            if words[: len(name.split())] == name.split():
                words = [*words, *more]
    with _stdin(file):
        assert main(words) == 0


def _run_script(words: list[str]) -> None:
    old, sys.argv = sys.argv, words
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        sys.argv = old


def _with(language: str) -> Any:
    pages = [page for page in PAGES if blocks(page, language)]
    return pytest.mark.parametrize(("at_work", "page"), list(zip(pages, pages, strict=True)),
                                   ids=pages, indirect=["at_work"])  # fmt: skip


@_with("sh")
def test_commands(at_work: Path, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(page):
        try:
            run(command)
        except BaseException as error:
            out = capsys.readouterr()
            raise AssertionError(f"{page}: {command}\n{out.out[-500:]}{out.err[-500:]}") from error


# the random model's vocabulary lacks the values that a guide lets it choose among
@pytest.mark.filterwarnings("ignore::finecaption.inference.choice_scoring.UnknownWord")
@_with("python")
def test_python_blocks(at_work: Path, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "docs"}
    for number, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"{page}, Python block {number}", "exec"), names)
    assert capsys.readouterr().out


def test_every_fence_has_a_language_that_is_known() -> None:
    for page in PAGES:
        found = re.findall(r"^```(\w*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert set(found) <= {"", "sh", "python", "json", "toml"}, page


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if not target.startswith(("http://", "https://")):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def test_readme_shows_what_the_demo_does() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    image = re.search(r"DEMO_SCENE \?= (\S+)", makefile)
    region = re.search(r"DEMO_REGION \?= --mask (\S+)", makefile)
    assert image and region
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"finecaption caption {image[1]} --mask {region[1]} --all" in readme
    (block,) = blocks("README.md", "python")
    assert f'caption("{image[1]}", mask="{region[1]}", attributes="all")' in block


def test_answers_in_the_readme_are_those_of_the_shipped_model() -> None:
    """After a new model: `python docs/demo_excerpt.py`."""
    golden = json.loads((ROOT / "benchmarks/results/golden_answers.json").read_text("utf-8"))
    captions = golden["room.png"]["regions"][0]["captions"]  # of the demo's mask
    shown = section(ROOT / "README.md", "demo").partition("\n\n")[0]
    quoted = dict(re.findall(r"(\w[\w/ -]+): \*([^*]+)\*(?:<br>| \|)", shown))
    assert len(quoted) >= 3
    assert quoted == {name: captions[name] for name in quoted}


def test_the_excerpt_shows_right_answers_only() -> None:
    excerpt = runpy.run_path(str(ROOT / "docs/demo_excerpt.py"))
    truth = {
        "Color": {"colour": ("black",)},
        "Body Shape": {"build": ("plump",)},
        "One-Sentence Description": {"colour": ("black",), "category": ("rabbit",)},
    }
    captions = {
        "Color": "Its colour is black.",
        "Body Shape": "The rabbit has a slim body.",
        "One-Sentence Description": "A brown rabbit.",
        "Hair": "It has no hair.",
        "Age Range": "She is elderly.",
        "Camera Viewpoint": "The camera sees it from above.",  # not known here
    }
    right, wrong = excerpt["split_answers"](captions, truth, "rabbit")
    assert list(right) == ["Color", "Hair"]
    assert list(wrong) == ["Body Shape", "One-Sentence Description", "Age Range"]
    text = excerpt["table"]("a.png", "m.png", right, wrong)
    assert "Color: *Its colour is black.*<br>Hair: *It has no hair.* |" in text
    assert "2 of the 5 answers that can be checked are right." in text
    assert "Body Shape: *The rabbit has a slim body.*" in text


def test_the_code_is_read_in_twenty_files() -> None:
    text = page("read-the-code.md")
    stops = re.findall(r"^(\d+)\. \[`(src/[\w/.]+)`\]\(\.\./([\w/.]+)\)", text, re.MULTILINE)
    assert [int(number) for number, _, _ in stops] == list(range(1, 21))
    for _, shown, target in stops:
        assert shown == target
    for name in re.findall(r"`((?:src|benchmarks|tests|training|io)/[\w/.]*)`", text):
        assert (ROOT / name).exists() or (ROOT / "src/finecaption" / name).exists(), name


OTHER_TERMS = re.compile(
    r"\b(pictures?|colours?|licences?|data sets?|neighbours?|drawn world|"
    r"normalis\w+|optimisers?|processor time|told apart)\b", re.IGNORECASE,
)  # fmt: skip
"""The field says image, color, license, dataset, neighbor, synthetic world, normalize, CPU time."""


# the log and the decisions keep the words of their time
@pytest.mark.parametrize("page", [p for p in PAGES if "docs/log" not in p and "decisions" not in p])
def test_pages_use_the_terms_of_the_field(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    # written by programs, with the words of the data
    text = re.sub(r"<!-- (captions|table):begin -->.*<!-- \1:end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    # code, quoted answers of the model and addresses are not prose
    text = re.sub(
        r"`[^`]*`|\"[^\"]*\"|\*[^*\n]*\*|\]\([^)]*\)|^    .*$", "", text, flags=re.MULTILINE
    )
    assert OTHER_TERMS.findall(text) == []


def test_five_lines_of_python_in_the_readme() -> None:
    (block,) = blocks("README.md", "python")
    assert len([line for line in block.splitlines() if line.strip()]) == 5


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text("utf-8")
    for path in (ROOT / "docs/decisions").glob("0*.md"):
        text = path.read_text("utf-8")
        assert f"({path.name})" in listed
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequence")), path


# Figures in the docs ---------------------------------------------------------------------------


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def test_tables_name_every_attribute() -> None:
    for name in ("first-caption.md", "synthetic-world.md"):
        rows = re.findall(r"^\| ([^|]+) \|", page(name), re.MULTILINE)
        assert [row for row in rows if row in ATTRIBUTE_NAMES] == list(ATTRIBUTE_NAMES), name


def test_figures_of_the_drawn_world() -> None:
    text = page("synthetic-world.md")
    held = sum(len(figures._held_out(name)) for name in voc.CATEGORIES)
    every = sum(len(c.colours) * len(figures._qualities(n)) for n, c in voc.CATEGORIES.items())
    spared = sum(bool(figures._held_out(name)) for name in voc.CATEGORIES)
    assert f"{held} of {every} combinations are held out" in text
    assert f"For {spared} of the {len(voc.CATEGORIES)} categories" in text
    assert f"| {len(voc.CATEGORIES)}: " in text
    assert f"| {len(voc.PARTS)} that are regions of their own: {', '.join(voc.PARTS)} |" in text
    assert f"| colors | {len(voc.COLOURS)} |" in text
    assert f"| materials | {', '.join(voc.MATERIALS)} |" in text
    assert f"| words | {', '.join(voc.WORDS)} |" in text
    assert f"{', '.join(voc.OUTDOOR)}; {', '.join(voc.INDOOR)} |" in text
    assert f"of the {len(voc.CATEGORIES)} categories" in page("gallery.md")


def test_configuration_lists_every_field() -> None:
    from finecaption.model import FineCaptionConfig

    text = page("configuration.md")
    fields = {f.name for f in dataclasses.fields(FineCaptionConfig)} & set(
        FineCaptionConfig.__annotations__
    )
    own = fields - {"tie_word_embeddings", "initializer_range", "sub_configs", "model_type"}
    assert len(own) > 15
    for name in own:
        assert f"`{name}`" in text, name


def test_sizes_of_the_models() -> None:
    import torch

    from finecaption.model import PRESETS, FineCaptionForConditionalGeneration
    from finecaption.model.configuration import FineCaptionConfig
    from finecaption.model.parts import PART_NAMES, named_part_parameters
    from finecaption.model.processing import FineCaptionProcessor
    from finecaption.segmentation.click import ClickDecoder

    shipped = ROOT / "src/finecaption/pretrained/finecaption-mini"
    config = FineCaptionConfig.from_pretrained(shipped)
    words = len(FineCaptionProcessor.from_pretrained(shipped).tokenizer)
    assert f"{words} words" in page("model.md")
    assert f"{words}\ntokens of vocabulary" in page("model-card.md")
    assert f"its {words}," in (ROOT / "README.md").read_text("utf-8")
    assert f"its vocabulary is {words} tokens" in page("photographs.md")
    rows = dict(re.findall(r"^\| ([^|]+) \|( [\d.,]+ \| [\d.,]+ )\|$", page("model.md"), re.M))
    labels = ("parameters, millions: CLIP", "alpha convolution", "ConvNeXt", "SAM with neck",
              "adapter", "language model")  # fmt: skip
    for column, preset in enumerate((config, PRESETS["8b"]())):
        with torch.device("meta"):
            model = FineCaptionForConditionalGeneration(preset)
        sizes = {
            label: sum(p.numel() for _, p in named_part_parameters(model, part)) / 1e6
            for label, part in zip(
                labels, ("clip", "alpha", "convnext", "sam", "adapter", "llm"), strict=True
            )
        }
        assert len(sizes) == len(PART_NAMES)
        sizes["all"] = sum(p.numel() for p in model.parameters()) / 1e6
        for label, size in sizes.items():
            told = rows[label].split("|")[column].strip().replace(",", "")
            digits = len(told.partition(".")[2])
            assert told == f"{size:.{digits}f}", label
        if preset is config:
            assert f"captioner of {sizes['all']:.1f} million" in page("model-card.md")
            decoder = sum(p.numel() for p in ClickDecoder.for_model(config).parameters()) / 1e6
            assert f"click segmenter of {decoder:.1f} million" in page("model-card.md")
        else:
            assert f"{sizes['all'] / 1e3:.1f} billion" in (ROOT / "README.md").read_text("utf-8")


def test_architecture_of_mini() -> None:
    from finecaption.model import mini

    config, text = mini(vocab_size=8), page("model.md")
    depths = "-".join(map(str, config.convnext_config.depths))
    channels = config.convnext_config.hidden_sizes[-1]
    assert f"| ConvNeXt | {depths}, up to {channels} channels |" in text
    for name, part in (("CLIP", config.clip_config), ("SAM", config.sam_config)):
        assert f"| {name} | {part.num_hidden_layers} layers of {part.hidden_size} |" in text
    llm = config.text_config
    assert f"Llama, {llm.num_hidden_layers} layers of {llm.hidden_size}, " in text
    assert f"| small square, patch | {config.clip_size}, {config.clip_config.patch_size} |" in text
    assert f"| large square | {config.image_size} |" in text
    assert f"| {config.image_grid} x {config.image_grid}, {config.image_seq_length} |" in text
    figure = page("model.svg")
    for size in (
        f"{config.clip_grid} x {config.clip_grid} x {config.clip_channels} (",
        f"{config.image_grid} x {config.image_grid} x {config.convnext_channels} (",
        f"{config.sam_grid} x {config.sam_grid} x {config.sam_config.output_channels} (",
        f"{config.image_grid} x {config.image_grid} x {config.sam_channels}<",
    ):
        assert size in figure


def test_stages_of_mini() -> None:
    from finecaption_synth.training.recipes import mini

    recipe, text = mini(), page("training.md")
    table = text.partition("| stage | trains |")[2].partition("\n\n")[0]
    stages = re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)
    assert stages == [stage.name for stage in recipe.stages]
    last = recipe.stage("stage3")
    weight = last.options.patch_labels
    assert weight == last.options.region_labels
    assert f"each with a weight\nof {weight} beside the captions" in text
    for options in (recipe.stage(name).options for name in ("stage1", "stage2")):
        assert not options.patch_labels and not options.region_labels
