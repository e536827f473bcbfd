"""`finecaption assemble`: build a model from published parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finecaption.cli.completion import models, one_of, presets
from finecaption.cli.console import Quiet, Verbose, note
from finecaption.errors import InputError
from finecaption.io import strict_json

app = typer.Typer(add_completion=False, help="Build a model from published checkpoints.")

_KINDS = "a hub id, a transformers folder"


@app.command()
def assemble(
    out: Annotated[Path, typer.Option(help="Output folder; it appears once it is complete.")],
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The parts to use: 8b, 8b-light, 3b, 1.5b, 0.5b or tiny.",
            autocompletion=presets,
        ),
    ] = "8b",
    clip: Annotated[str | None, typer.Option(help=f"CLIP: {_KINDS} or an OpenAI file.")] = None,
    alpha: Annotated[str | None, typer.Option(help="Alpha-CLIP's .pth file.")] = None,
    convnext: Annotated[
        str | None, typer.Option(help=f"ConvNeXt: {_KINDS}, a timm or an open_clip file.")
    ] = None,
    sam: Annotated[str | None, typer.Option(help=f"SAM: {_KINDS} or Meta's .pth file.")] = None,
    llm: Annotated[
        str | None, typer.Option(help=f"A Llama, Qwen or Mistral language model: {_KINDS}.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="float32|float16|bfloat16",
            help="Data type of the weights (default: the preset's).",
            autocompletion=one_of("float32", "float16", "bfloat16"),
        ),
    ] = None,
    max_shard_size: Annotated[
        str, typer.Option(help="Maximum size of a weights file, such as 5GB or 500MB.")
    ] = "5GB",
    convnext_eps: Annotated[
        float | None,
        typer.Option(help="Epsilon of ConvNeXt's norms (default: depends on the checkpoint)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the adapter's weights.")] = 0,
    export_llm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Do not assemble: export the language model of this FineCaption for vLLM.",
            autocompletion=models,
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings as JSON and stop.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build a model from published checkpoints, ready for stage 1."""
    import dataclasses

    from finecaption.assemble.presets import find_preset

    chosen = find_preset(preset)
    given = {"clip": clip, "alpha": alpha, "convnext": convnext, "sam": sam, "llm": llm}
    if export_llm is not None:
        for name, value in {**given, "dtype": dtype, "print-config": print_config}.items():
            if value:
                raise InputError(
                    f"--{name}: cannot be combined with --export-llm, which assembles nothing"
                )
        from finecaption.assemble.export import export_language_model
        from finecaption.assemble.write import parse_size

        print(export_language_model(export_llm, out, max_shard_bytes=parse_size(max_shard_size)))
        return
    if print_config:
        wanted: dict[str, Any] = {part: source for part, source in given.items() if source}
        chosen = dataclasses.replace(chosen, **wanted)
        print(strict_json.dumps(dataclasses.asdict(chosen), indent=1))
        return
    from transformers.utils.logging import disable_progress_bar

    from finecaption.assemble.build import assemble as build
    from finecaption.assemble.write import parse_size

    disable_progress_bar()
    print(
        build(
            chosen,
            out,
            dtype=dtype,
            max_shard_bytes=parse_size(max_shard_size),
            convnext_eps=convnext_eps,
            seed=seed,
            say=note,
            **given,
        )
    )
