"""`finecaption assemble`: a model from published parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from finecaption.errors import InputError

app = typer.Typer(help="Put a model together from published checkpoints.")

_KINDS = "hub id, transformers folder"


@app.command()
def assemble(
    out: Annotated[Path, typer.Option(help="The new folder; it appears when it is complete.")],
    preset: Annotated[
        str, typer.Option(help="Which parts: 8b, 8b-light, 3b, 1.5b, 0.5b, tiny.")
    ] = "8b",
    clip: Annotated[str | None, typer.Option(help=f"CLIP: {_KINDS}, OpenAI file.")] = None,
    alpha: Annotated[str | None, typer.Option(help="Alpha-CLIP .pth file.")] = None,
    convnext: Annotated[
        str | None, typer.Option(help=f"ConvNeXt: {_KINDS}, timm or open_clip file.")
    ] = None,
    sam: Annotated[str | None, typer.Option(help=f"SAM: {_KINDS}, Meta's .pth file.")] = None,
    llm: Annotated[
        str | None, typer.Option(help=f"Llama-, Qwen- or Mistral-like language model: {_KINDS}.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, float16, bfloat16 (default: the preset's).")
    ] = None,
    max_shard_size: Annotated[str, typer.Option(help="Of a weights file: 5GB, 500MB.")] = "5GB",
    convnext_eps: Annotated[
        float | None,
        typer.Option(help="Of ConvNeXt's norms (default: by the kind of checkpoint)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the adapter's random weights.")] = 0,
    export_llm: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Assemble nothing: write the language model of this FineCaption as a stock one.",
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the sources and stop.")
    ] = False,
) -> None:
    """Put a model together from published checkpoints, ready for stage 1."""
    import dataclasses
    import json
    import sys

    from finecaption.assemble.presets import find_preset

    chosen = find_preset(preset)
    given = {"clip": clip, "alpha": alpha, "convnext": convnext, "sam": sam, "llm": llm}
    if export_llm is not None:
        for name, value in {**given, "dtype": dtype, "print-config": print_config}.items():
            if value:
                raise InputError(f"--{name}: is for assembling; --export-llm copies what is there")
        from finecaption.assemble.export import export_language_model
        from finecaption.assemble.write import parse_size

        print(export_language_model(export_llm, out, max_shard_bytes=parse_size(max_shard_size)))
        return
    if print_config:
        wanted: dict[str, Any] = {part: source for part, source in given.items() if source}
        chosen = dataclasses.replace(chosen, **wanted)
        print(json.dumps(dataclasses.asdict(chosen), indent=1))
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
            say=lambda text: print(text, file=sys.stderr),
            **given,
        )
    )
