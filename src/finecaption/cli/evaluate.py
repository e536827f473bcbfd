"""`finecaption eval`: score any captioner on regions, read why, and compare two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finecaption.cli.options import MODEL, Device
from finecaption.errors import InputError

app = typer.Typer(
    help="Score a captioner on regions: predict, score, report. Each step writes files, and can be "
    "run again alone.",
    invoke_without_command=True,
)

_SLOW = 5.0  # seconds after which a progress bar is shown

Model = Annotated[
    str,
    typer.Option(
        help="A model's name, the folder of a checkpoint (ours or of a vision-language model of "
        "transformers), or openai:MODEL@ADDRESS."
    ),
]
Data = Annotated[
    str,
    typer.Option(
        help="synth:test[:SEED], synth:test-unseen[:SEED] (drawn on the way), a folder written by "
        "`finecaption synth render`, or any data set as FORMAT:PATH (see `finecaption data`)."
    ),
]
Tasks = Annotated[
    str,
    typer.Option(
        help="Of aarc (an attribute of a region), rdc (a region in detail) and cgic (the whole "
        "picture), with commas."
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(help="Regions to ask about (default: 500 of the drawn world, all of a data set)."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for everything that is written. The same command on it again goes on where it "
        "was left."
    ),
]
Twins = Annotated[
    int | None,
    typer.Option(
        help="Pairs of regions with nearly one box to find and ask about (default: 200 of the "
        "drawn world); 0: only those among the regions."
    ),
]
Clicks = Annotated[
    int | None,
    typer.Option(
        help="Regions to click on (default: as --limit of the drawn world, else none; 0: none)."
    ),
]
Batch = Annotated[int, typer.Option(help="Pictures asked at once.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes that draw ahead of the model (default: by the cores)."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        help="I/N: answer the I-th (from 0) of N parts; the process that ends last puts them "
        "together (default: torchrun's rank, if it runs this).",
    ),
]
Bert = Annotated[
    Path | None, typer.Option(help="Folder of a BERT-like model, for the column BERTScore.")
]
Layer = Annotated[
    int | None, typer.Option(help="Its layer (default: the published one, where there is).")
]
Keep = Annotated[
    bool,
    typer.Option("--keep-cross-references", help="Do not strip (entity_id_3) before scoring."),
]
NoCaptions = Annotated[
    bool,
    typer.Option(
        "--no-captions", help="Leave out BLEU, ROUGE-L, METEOR, CIDEr and BERTScore (no Java)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print scores.json to stdout.")]

_TASKS = "aarc,rdc,cgic"
_DATA = "synth:test"


@app.callback()
def evaluate(
    context: typer.Context,
    model: Model = MODEL,
    data: Data = _DATA,
    tasks: Tasks = _TASKS,
    limit: Limit = None,
    out: Out = None,
    twins: Twins = None,
    clicks: Clicks = None,
    batch: Batch = 8,
    workers: Workers = None,
    device: Device = None,
    shard: ShardOption = None,
    bert: Bert = None,
    bert_layer: Layer = None,
    keep_cross_references: Keep = False,
    no_captions: NoCaptions = False,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Only score the records in --out again, and report.")
    ] = False,
    stages: Annotated[
        Path | None,
        typer.Option(
            help="Join every scores.json below this folder into one table, stages.md, a column "
            "each; nothing is evaluated."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict, score and report in one command; or one step of them alone."""
    if context.invoked_subcommand is not None:
        return
    if stages is not None:
        _join(stages, out, as_json)
        return
    folder = _given(out)
    if not rescore and not _predict(
        model, data, tasks, folder, limit, twins, clicks, batch, _workers(workers), device, shard
    ):
        return
    _score(folder, bert, bert_layer, keep_cross_references, no_captions, device, as_json)


@app.command()
def predict(
    model: Model = MODEL,
    data: Data = _DATA,
    tasks: Tasks = _TASKS,
    limit: Limit = None,
    out: Out = None,
    twins: Twins = None,
    clicks: Clicks = None,
    batch: Batch = 8,
    workers: Workers = None,
    device: Device = None,
    shard: ShardOption = None,
) -> None:
    """Ask the model everything; nothing is scored."""
    folder = _given(out)
    _predict(
        model, data, tasks, folder, limit, twins, clicks, batch, _workers(workers), device, shard
    )


@app.command()
def score(
    out: Out = None,
    bert: Bert = None,
    bert_layer: Layer = None,
    keep_cross_references: Keep = False,
    no_captions: NoCaptions = False,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Score what was predicted into --out, and report."""
    folder = _given(out)
    _score(folder, bert, bert_layer, keep_cross_references, no_captions, device, as_json)


@app.command()
def report(out: Out = None) -> None:
    """Write report.md and report.html again from what was scored into --out."""
    folder = _given(out)
    _report(folder)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A scored run.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another, on the same data.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.json, compare.md and compare.html.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print compare.json to stdout.")] = False,
) -> None:
    """Tell whether B is better than A: paired differences, intervals and p-values by attribute."""
    from finecaption.eval.difference import (
        HEADER,
        METHOD,
        lead,
        rows,
        verdict,
        write_comparison,
    )

    result = write_comparison(first, second, out)
    if as_json:
        _print_json(result)
        return
    from finecaption.eval.table import rich_table

    typer.echo(lead(result))
    for task, columns in result["tasks"].items():
        for column, found in columns.items():
            _print_table(rich_table(HEADER, rows(found), left=(0,)))
            typer.echo(verdict(found, column, task))
    typer.echo(METHOD)
    if out is not None:
        typer.echo(f"written: {out / 'compare.html'}, {out / 'compare.md'}", err=True)


def _given(out: Path | None) -> Path:
    if out is None:
        raise InputError("out: not given; name the folder for the results with --out DIR")
    return out


def _workers(asked: int | None) -> int:
    import os

    if asked is None:
        return max(1, min(8, (os.cpu_count() or 1) - 1))
    if asked < 0:
        raise InputError(f"workers: is {asked}; it must be at least 0")
    return asked


def _predict(
    model: str, data: str, tasks: str, out: Path, limit: int | None, twins: int | None,
    clicks: int | None, batch: int, workers: int, device: str | None, shard: str | None,
) -> bool:  # fmt: skip
    """Whether all is there to be scored."""
    from rich.console import Console

    from finecaption.eval.data import open_source
    from finecaption.eval.records import RunFolder
    from finecaption.eval.run import check_tasks, model_to_evaluate
    from finecaption.eval.run import predict as run
    from finecaption.eval.shards import shard_folder, shard_of_process
    from finecaption.eval.steps import Shard

    part = shard_of_process() if shard is None else Shard.parse(shard)
    wanted = check_tasks([name.strip() for name in tasks.split(",") if name.strip()])
    source = open_source(data, workers)
    spec = model_to_evaluate(model, device)
    with _Bar(Console(stderr=True)) as bar:
        complete = run(
            spec, source, out, tasks=wanted,
            limit=limit, twins=twins, clicks=clicks, batch=batch, progress=bar.show, shard=part,
        )  # fmt: skip
    done = RunFolder.existing(shard_folder(out, part)).manifest["done"]
    for step, about in done.items():
        if step in bar.seen and about["seconds_last"] > 0:
            made, seconds = about["made_last"], about["seconds_last"]
            what = _COUNTED.get(step, "regions")
            typer.echo(
                f"{step}: {made} {what} in {seconds:.1f} s, {made / seconds:.2f} {what}/s",
                err=True,
            )
    if not complete:
        typer.echo(
            f"shard {part.number} of {part.of} is answered; the last to end scores them all",
            err=True,
        )
    return complete


_COUNTED = {"twins": "pairs", "wholes": "pictures"}


def _score(
    out: Path, bert: Path | None, layer: int | None, keep: bool, no_captions: bool,
    device: str | None, as_json: bool,
) -> None:  # fmt: skip
    from finecaption.eval.run import rescore
    from finecaption.metrics.captions import CaptionScorer

    scorer = None
    if not no_captions:
        scorer = CaptionScorer(
            keep_cross_references=keep, bert=bert, bert_layer=layer, device=device
        )
    scores = rescore(out, scorer)
    if as_json:
        _print_json(scores)
    else:
        _show(scores, out)
    _report(out)


def _report(out: Path) -> None:
    from finecaption.eval.report import write_report

    paths = write_report(out)
    typer.echo("written: " + ", ".join(map(str, paths)), err=True)


class _Bar:
    """A progress bar on the terminal, once the work has taken some seconds."""

    def __init__(self, console: Any) -> None:
        import time

        self._console, self._now = console, time.monotonic
        self._began = self._now()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self.seen: set[str] = set()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, step: str, done: int, total: int | None) -> None:
        """steps.Progress."""
        self.seen.add(step)
        if self._now() - self._began < _SLOW:
            return
        if self._bar is None:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TimeRemainingColumn(), console=self._console, transient=True,
            )  # fmt: skip
            self._bar.start()
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(step, total=total)
        self._bar.update(self._tasks[step], completed=done)


def _print_json(data: Any) -> None:
    import json

    print(json.dumps(data, indent=1, ensure_ascii=False))


def _show(scores: dict[str, Any], out: Path) -> None:
    from finecaption.eval.report import behaviour, group_rows, task_rows
    from finecaption.eval.table import HEADER, ON_SCREEN, attribute_rows, rich_table, summary

    for sentence in summary(scores):
        typer.echo(sentence)
    if scores["attributes"]:
        rows = [row[:ON_SCREEN] for row in attribute_rows(scores)]
        _print_table(rich_table(HEADER[:ON_SCREEN], rows, left=(0,)))
    if scores.get("captions"):
        _print_table(rich_table(*task_rows(scores), left=(0,)))
    for group in scores.get("groups", {}).values():
        if len(group["groups"]) > 1:
            _print_table(rich_table(*group_rows(group), left=(0,)))
    for name, value, note in behaviour(scores):
        typer.echo(f"{name}: {value} % ({note}).")
    typer.echo(f"written: {out / 'scores.json'}, {out / 'table.md'}", err=True)


def _print_table(table: Any) -> None:
    from rich.console import Console

    console = Console()
    # a file has no width, and shall not have columns cut to that of a terminal
    (console if console.is_terminal else Console(width=1000)).print(table)


def _join(root: Path, out: Path | None, as_json: bool) -> None:
    from finecaption.eval.stages import find_scores, stage_table, write_stages

    found = find_scores(root)
    path = write_stages(root, out)
    if as_json:
        _print_json(found)
        return
    from finecaption.eval.table import rich_table

    _print_table(rich_table(*stage_table(found), left=(0,)))
    typer.echo(f"written: {path}", err=True)
