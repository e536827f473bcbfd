"""`finecaption studio`: the page where a click on a thing tells about it."""

from __future__ import annotations

from typing import Annotated

import typer

from finecaption.cli.options import Config, Device, Host, Port

app = typer.Typer(help="Open a page: click on a thing, read about it.")


@app.command()
def studio(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="The model (default: finecaption-mini). Repeat for more to choose from.",
        ),
    ] = None,
    host: Host = None,
    port: Port = None,
    device: Device = None,
    config: Config = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Open a page: drop a picture, click on a thing, read about it.

    The page, the model and the pictures stay on this machine. The server's /v1 is there too.
    Ctrl-C ends it.
    """
    import sys
    import threading
    import webbrowser

    from finecaption.server import load_settings, serve
    from finecaption.studio import create_studio

    chosen = list(model or [])
    given = {"model": chosen[0] if chosen else None, "host": host, "port": port, "device": device}
    settings = load_settings(config, given)
    application = create_studio(settings, models=chosen[1:])
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        print("note: whoever can reach this address can use the studio", file=sys.stderr)
    if settings.port:
        address = f"http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}"
        address = f"{address}:{settings.port}/studio/"
        print(f"The studio is at {address} (Ctrl-C ends it)", file=sys.stderr)
        if browser:
            threading.Timer(1.5, webbrowser.open, [address]).start()
    serve(application, settings)
