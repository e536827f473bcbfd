"""`finecaption studio`: a web UI in which a click on an object describes it."""

from __future__ import annotations

from typing import Annotated

import typer

from finecaption.cli.completion import models
from finecaption.cli.console import Quiet, Verbose, note
from finecaption.cli.options import Config, Device, Host, Port

app = typer.Typer(add_completion=False, help="Open a web UI: click on an object and read about it.")


@app.command()
def studio(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="The model: a name, a folder or openai:MODEL@ADDRESS (default: finecaption-mini). "
            "Repeat it to offer a choice.",
            autocompletion=models,
        ),
    ] = None,
    host: Host = None,
    port: Port = None,
    device: Device = None,
    config: Config = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Open a web UI: drop an image, click on an object, read about it.

    The page, the model and the images stay on this machine. The API of `finecaption serve` is
    available too. Ctrl-C stops the server.
    """
    import threading
    import webbrowser

    from finecaption.server import load_settings, serve
    from finecaption.studio import create_studio

    chosen = list(model or [])
    given = {"model": chosen[0] if chosen else None, "host": host, "port": port, "device": device}
    settings = load_settings(config, given)
    application = create_studio(settings, models=chosen[1:])
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        note("note: anyone who can reach this address can use the studio")
    if settings.port:
        address = f"http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}"
        address = f"{address}:{settings.port}/studio/"
        note(f"The studio is at {address} (Ctrl-C stops it)")
        if browser:
            threading.Timer(1.5, webbrowser.open, [address]).start()
    serve(application, settings)
