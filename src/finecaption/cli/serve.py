"""`finecaption serve`: the HTTP server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finecaption.cli.completion import models
from finecaption.cli.console import Quiet, Verbose
from finecaption.cli.options import Config, Device, Host, Port

app = typer.Typer(add_completion=False, help="Serve captions over HTTP, to OpenAI clients too.")


@app.command()
def serve(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="The model: a name, a folder or openai:MODEL@ADDRESS (default: finecaption-mini).",
            autocompletion=models,
        ),
    ] = None,
    host: Host = None,
    port: Port = None,
    device: Device = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Number of requests in a batch (default: 16).")
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Accept this many requests at a time; answer 429 beyond it (default: 64).",
        ),
    ] = None,
    api_keys_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Require an API key from this file: one per line, plain or as sha256:HEX.",
        ),
    ] = None,
    allow_urls: Annotated[
        bool | None,
        typer.Option("--allow-urls/--no-urls", help="Fetch images from web addresses."),
    ] = None,
    config: Config = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings as JSON and stop.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Serve captions over HTTP: /v1/chat/completions, /v1/regions, /v1/segment, /metrics.

    Every setting can also be given as FINECAPTION_NAME in the environment. Options override the
    environment, which overrides --config. Ctrl-C or SIGTERM lets running requests finish.
    """
    from finecaption.server import create_app, load_settings
    from finecaption.server import serve as run

    given = {
        "model": model,
        "host": host,
        "port": port,
        "device": device,
        "batch": batch,
        "queue": queue,
        "api_keys_file": api_keys_file,
        "allow_urls": allow_urls,
    }
    settings = load_settings(config, given)
    if print_config:
        print(settings.model_dump_json(indent=2))  # keys are shown as stars
        return
    application = create_app(settings)
    from finecaption.captioners import ModelSpec

    ModelSpec(settings.model).check()  # a wrong name is an error before anything starts
    run(application, settings)
