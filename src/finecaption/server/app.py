"""The application: routes, limits, and the engine behind them."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.middleware.cors import CORSMiddleware

import finecaption
from finecaption.server import chat, errors, health, pages, regions
from finecaption.server.fetch import Fetcher
from finecaption.server.limits import BodyLimit
from finecaption.server.metrics import Measure
from finecaption.server.security import KeyCheck
from finecaption.server.service import Service
from finecaption.server.settings import Settings, load_settings

if TYPE_CHECKING:
    from finecaption.protocol import Captioner

_ABOUT = (
    "Describes any region of an image, attribute by attribute. /v1/chat/completions speaks "
    "OpenAI's protocol; /v1/regions asks many questions on many regions at once; /v1/segment turns "
    "clicks into masks."
)


def create_app(
    settings: Settings | None = None,
    captioner: Captioner | None = None,
    *,
    fetcher: Fetcher | None = None,
) -> FastAPI:
    """The FastAPI application, on which more may be mounted.

    `app.state.service` is its `Service`: `service.run(work)` queues work with the captioner on the
    engine's thread, and `service.engine.ready` tells whether the model is loaded. The engine starts
    and stops with the application's lifespan.

    Args:
        settings: those of the environment if None.
        captioner: loaded already; else `settings.model` is loaded on the engine's thread, and
            /readyz answers 503 meanwhile.
        fetcher: of images from web addresses; the settings' if None.

    Raises:
        InputError: a setting, or the file of API keys, cannot be used.
    """
    chosen = load_settings() if settings is None else settings
    digests = chosen.key_digests()

    def load() -> Captioner:
        if captioner is not None:
            return captioner
        from finecaption.captioners import ModelSpec

        opened = ModelSpec(chosen.model, chosen.device).open()
        # what is here now stays: Python's collector, which stops all threads, need not walk over a
        # million objects of libraries whenever a request's JSON makes new ones
        gc.collect()
        gc.freeze()
        return opened

    service = Service(chosen, load, fetcher)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.engine.start()
        yield
        await anyio.to_thread.run_sync(service.engine.close, float(chosen.grace))
        service.images.close()

    app = FastAPI(
        title="FineCaption",
        version=finecaption.__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
    )
    app.state.service = service
    errors.install(app)
    app.include_router(chat.router)
    app.include_router(regions.router)
    app.include_router(health.router)
    if chosen.metrics:
        app.include_router(health.metrics_router)
    app.openapi = lambda: _openapi(app, bool(digests))  # type: ignore[method-assign]  # FastAPI's documented way
    if chosen.docs:
        _add_docs(app)

    # the last one added is the first to see a request
    app.add_middleware(
        BodyLimit, limit=chosen.max_body, timeout=chosen.body_timeout, memory=service.memory
    )
    app.add_middleware(KeyCheck, digests=digests)
    if chosen.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(chosen.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(Measure, metrics=service.metrics)
    return app


def _add_docs(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> JSONResponse:
        return JSONResponse(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        headers = {"Content-Security-Policy": pages.CSP}
        return HTMLResponse(pages.page(app.openapi()), headers=headers)


def _openapi(app: FastAPI, keys: bool) -> dict[str, Any]:
    """FastAPI's document, less what the server never answers (422), with the API key."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if keys and path.startswith("/v1/"):
                operation["security"] = [{"key": []}]
    components = document.setdefault("components", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    if keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    app.openapi_schema = document
    return document
