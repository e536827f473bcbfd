"""`finecaption serve`: the HTTP server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finecaption.cli.options import Config, Device, Host, Port

app = typer.Typer(help="Answer over HTTP, as the OpenAI clients speak it.")


@app.command()
def serve(
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="The model (default: finecaption-mini)."),
    ] = None,
    host: Host = None,
    port: Port = None,
    device: Device = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Requests answered together (default: 16).")
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option(metavar="N", help="Requests at work or waiting; then 429 (default: 64)."),
    ] = None,
    api_keys_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="API keys, one a line, as they are or sha256:HEX."),
    ] = None,
    allow_urls: Annotated[
        bool | None,
        typer.Option("--allow-urls/--no-urls", help="Fetch pictures from web addresses."),
    ] = None,
    config: Config = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings as JSON, and end.")
    ] = False,
) -> None:
    """Answer over HTTP: /v1/chat/completions, /v1/regions, /v1/segment, /metrics.

    Every setting can be given as FINECAPTION_NAME in the environment as well; options count more
    than the environment, and that more than --config. Ctrl-C or SIGTERM finishes what runs.
    """
    from finecaption.server import create_app, load_settings
    from finecaption.server import serve as run

    given = {
        "model": model, "host": host, "port": port, "device": device, "batch": batch,
        "queue": queue, "api_keys_file": api_keys_file, "allow_urls": allow_urls,
    }  # fmt: skip
    settings = load_settings(config, given)
    if print_config:
        print(settings.model_dump_json(indent=2))  # keys are shown as stars
        return
    application = create_app(settings)
    from finecaption.model.loading import resolve_model

    resolve_model(settings.model)  # a wrong name is told before anything is begun
    run(application, settings)
