"""The studio on the server's application."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finecaption.captioners import ModelSpec
from finecaption.errors import InputError
from finecaption.server import Settings, create_app, load_settings
from finecaption.server.errors import error_response
from finecaption.server.origins import OwnSite
from finecaption.studio.models import Models
from finecaption.studio.page import CSP, FILES, HEAD, STATIC, make_blocks, theme
from finecaption.studio.routes import StudioDesk, make_router

if TYPE_CHECKING:
    from finecaption.protocol import Captioner

PATH = "/studio"


class _Headers:
    """ASGI: the security headers of the page and what belongs to it.

    Of Gradio, only what is read is served: the page's own requests go to /studio-api, and Gradio's
    other routes would keep uploads on disk.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATH):
            await self.app(scope, receive, send)
            return

        if scope["path"].startswith(f"{PATH}/") and scope["method"] not in ("GET", "HEAD"):
            answer = error_response(405, "nothing is sent to this page; see /docs")
            await answer(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CSP
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if scope["path"].startswith(FILES):
                    headers["Cache-Control"] = "no-cache"  # asked again, 304 if it is the same
            await send(message)

        await self.app(scope, receive, with_headers)


def create_studio(
    settings: Settings | None = None,
    captioner: Captioner | None = None,
    models: Sequence[str] = (),
) -> FastAPI:
    """The server's application with the studio at /studio; "/" leads there.

    Everything of `create_app` is there too, so the page's model also answers /v1.

    Args:
        settings: those of the environment if None.
        captioner: the settings' model, if it is loaded already.
        models: further models that a visitor can choose, by name or folder.

    Raises:
        InputError: an unknown model; API keys are set, which a page cannot send.
    """
    chosen = load_settings() if settings is None else settings
    if chosen.key_digests():
        raise InputError(
            "api_keys: the studio is a page without a login, so keys would guard nothing; run "
            "`finecaption serve` with them, and the studio on this machine only"
        )
    if captioner is None:
        spec = ModelSpec(chosen.model, chosen.device)
        spec.check()
        own = spec.label
    else:
        own = captioner.name
    app = create_app(chosen, captioner)
    desk = StudioDesk(
        Models(app.state.service, own, models, chosen.device),
        chosen.max_body,
        chosen.max_pixels,
    )
    app.state.studio = desk
    app.include_router(make_router(desk))
    app.mount(FILES, StaticFiles(directory=STATIC), name="studio-files")

    @app.get("/", include_in_schema=False)
    async def front() -> RedirectResponse:
        return RedirectResponse(f"{PATH}/")

    async def mount() -> None:
        with warnings.catch_warnings():
            # Gradio's own use of Starlette and asyncio is not ours to mend
            warnings.simplefilter("ignore")
            import gradio

            gradio.mount_gradio_app(
                app, make_blocks(), PATH, theme=theme(), head=HEAD, footer_links=[],
                max_file_size=chosen.max_body,
                ssr_mode=False, show_error=False, pwa=False, mcp_server=False,
                enable_monitoring=False, run_history=False,
            )  # fmt: skip

    # outside of a running event loop, Gradio makes loops of its own and never closes them
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(mount())).result()
    app.add_middleware(_Headers)
    app.add_middleware(OwnSite, hosts=(chosen.host, *chosen.hosts))
    return app


__all__ = ["PATH", "create_studio"]
