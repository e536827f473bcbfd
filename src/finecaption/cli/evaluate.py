"""`finecaption eval`: score any captioner on regions, see why, and compare two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finecaption.cli import completion
from finecaption.cli.console import Quiet, Verbose, note, progress_console
from finecaption.cli.options import MODEL, Device, Model
from finecaption.errors import InputError
from finecaption.io import strict_json

app = typer.Typer(
    add_completion=False,
    help="Score a captioner on regions: predict, score, report. Each step writes files and can be "
    "repeated alone.",
    invoke_without_command=True,
)

_SLOW = 5.0  # seconds after which a progress bar is shown

Data = Annotated[
    str,
    typer.Option(
        metavar="FORMAT:PATH",
        help="The data: synth:test[:SEED] or synth:test-unseen[:SEED] (rendered on the fly), a "
        "folder written by `finecaption synth render`, or any dataset as FORMAT:PATH.",
        autocompletion=completion.datasets,
    ),
]
Tasks = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="Tasks, separated by commas: aarc (an attribute of a region), rdc (a region in "
        "detail), cgic (the whole image).",
        autocompletion=completion.list_of("aarc", "rdc", "cgic"),
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(help="Number of regions (default: 500 of the synthetic world, all of a dataset)."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Output folder. The same command with the same folder resumes an interrupted run."
    ),
]
Twins = Annotated[
    int | None,
    typer.Option(
        help="Number of pairs of regions with nearly the same box (default: 200 of the synthetic "
        "world); 0 takes only those among the regions."
    ),
]
Clicks = Annotated[
    int | None,
    typer.Option(
        help="Number of regions to click on (default: as --limit in the synthetic world, else 0)."
    ),
]
Batch = Annotated[int, typer.Option(metavar="N", help="Number of images in a batch.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Number of processes that render ahead of the model (default: by cores)."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Answer the I-th of N parts, from 0; the last process to finish joins them (default: "
        "torchrun's rank).",
    ),
]
Bert = Annotated[Path | None, typer.Option(help="Folder of a BERT model, for BERTScore.")]
Layer = Annotated[
    int | None, typer.Option(help="Layer of the BERT model (default: the published choice).")
]
Keep = Annotated[
    bool,
    typer.Option("--keep-cross-references", help="Do not strip (entity_id_3) before scoring."),
]
NoCaptions = Annotated[
    bool,
    typer.Option(
        "--no-captions", help="Skip BLEU, ROUGE-L, METEOR, CIDEr and BERTScore (starts no Java)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print scores.json instead of tables.")]

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
        bool, typer.Option("--rescore", help="Only score the records in --out again and report.")
    ] = False,
    stages: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate nothing: join every scores.json below this folder into one table, "
            "stages.md."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Predict, score and report in one command, or run one of these steps alone."""
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
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Let the model answer everything; score nothing."""
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
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score the predictions in --out and report."""
    folder = _given(out)
    _score(folder, bert, bert_layer, keep_cross_references, no_captions, device, as_json)


@app.command()
def report(
    out: Out = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write report.md and report.html again from the scores in --out."""
    folder = _given(out)
    _report(folder)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A scored run.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another run on the same data.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Output folder for compare.json, compare.md and compare.html."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print compare.json instead of tables.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare two runs: paired differences, intervals and p-values by attribute."""
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
        note(f"written: {out / 'compare.html'}, {out / 'compare.md'}")


def _given(out: Path | None) -> Path:
    if out is None:
        raise InputError("--out: is missing; give the folder for the results")
    return out


def _workers(asked: int | None) -> int:
    import os

    if asked is None:
        return max(1, min(8, (os.cpu_count() or 1) - 1))
    if asked < 0:
        raise InputError(f"--workers: must be at least 0; got {asked}")
    return asked


def _predict(
    model: str, data: str, tasks: str, out: Path, limit: int | None, twins: int | None,
    clicks: int | None, batch: int, workers: int, device: str | None, shard: str | None,
) -> bool:  # fmt: skip
    """Returns whether all answers are there to be scored."""
    from finecaption.eval.opening import open_source
    from finecaption.eval.records import RunFolder
    from finecaption.eval.run import check_tasks, model_to_evaluate
    from finecaption.eval.run import predict as run
    from finecaption.eval.shards import shard_folder, shard_of_process
    from finecaption.eval.steps import Shard

    part = shard_of_process() if shard is None else Shard.parse(shard)
    wanted = check_tasks([name.strip() for name in tasks.split(",") if name.strip()])
    source = open_source(data, workers)
    spec = model_to_evaluate(model, device)
    with _Bar(progress_console()) as bar:
        complete = run(
            spec, source, out, tasks=wanted,
            limit=limit, twins=twins, clicks=clicks, batch=batch, progress=bar.show, shard=part,
        )  # fmt: skip
    done = RunFolder.existing(shard_folder(out, part)).manifest["done"]
    for step, about in done.items():
        if step in bar.seen and about["seconds_last"] > 0:
            made, seconds = about["made_last"], about["seconds_last"]
            what = _COUNTED.get(step, "regions")
            note(f"{step}: {made} {what} in {seconds:.1f} s, {made / seconds:.2f} {what}/s")
    if not complete:
        note(
            f"shard {part.number} of {part.of} is answered; the last one to finish scores them all"
        )
    return complete


_COUNTED = {"twins": "pairs", "wholes": "images"}


def _score(
    out: Path,
    bert: Path | None,
    layer: int | None,
    keep: bool,
    no_captions: bool,
    device: str | None,
    as_json: bool,
) -> None:
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
    from finecaption.eval.page import write_report

    paths = write_report(out)
    note("written: " + ", ".join(map(str, paths)))


class _Bar:
    """A progress bar on the terminal, shown once the work has taken some seconds."""

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
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(step, total=total)
        self._bar.update(self._tasks[step], completed=done)


def _print_json(data: Any) -> None:

    print(strict_json.dumps(data, indent=1, ensure_ascii=False))


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
    for name, value, meaning in behaviour(scores):
        typer.echo(f"{name}: {value} % ({meaning}).")
    note(f"written: {out / 'scores.json'}, {out / 'table.md'}")


def _print_table(table: Any) -> None:
    from rich.console import Console

    console = Console()
    # A file has no width; columns must not be cut to that of a terminal.
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
    note(f"written: {path}")
