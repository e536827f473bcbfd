"""The page's API below /studio-api. Answers are JSON, or streams of JSON lines.

A session's key travels in a header of its own, which other sites' pages cannot set.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.io import strict_json
from finecaption.io.html import data_uri
from finecaption.server.errors import ApiError, input_error
from finecaption.studio import actions
from finecaption.studio.examples import EXAMPLES, example
from finecaption.studio.export import FORMATS, export, file_name
from finecaption.studio.models import Models
from finecaption.studio.session import NoSession, Session, SessionStore

PREFIX = "/studio-api"
KEY = "x-studio-session"
_DONE = object()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SegmentBody(_Body):
    """A click or a box, for a new region or one that is there."""

    region: int | None = None
    point: tuple[float, float] | None = None
    positive: bool = True
    box: tuple[float, float, float, float] | None = None
    undo: bool = False


class DescribeBody(_Body):
    """What to describe, for which regions."""

    regions: list[int] = Field(default_factory=list, max_length=60)
    attributes: list[str] | None = None
    """None: all 18."""
    dense: bool = True
    whole: bool = False


class EvidenceBody(_Body):
    """A word of a text."""

    region: int | None = None
    name: str
    word: int = Field(ge=0)


class ModelBody(_Body):
    """A model's name."""

    name: str


class StudioDesk:
    """The routes' shared state."""

    def __init__(self, models: Models, max_body: int, max_pixels: int) -> None:
        self.models = models
        self.store = SessionStore()
        self.max_body = max_body
        self.max_pixels = max_pixels

    def session(self, request: Request) -> Session:
        """The request's session.

        Raises:
            ApiError: 403 without a key, 410 if it is over.
        """
        key = request.headers.get(KEY)
        if not key:
            raise ApiError(403, f"the header {KEY} is missing; open an image first")
        try:
            return self.store.get(key)
        except NoSession as error:
            raise ApiError(410, str(error), code="session_over") from error

    async def body(self, request: Request) -> bytes:
        """The request's body.

        Raises:
            ApiError: 413, it is too large.
        """
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > self.max_body:
                raise ApiError(
                    413,
                    f"the file is over {self.max_body:,} bytes; make it smaller",
                    headers={"Connection": "close"},
                )
        return bytes(data)

    async def run(self, model: str, work: Callable[[Any], Any]) -> Any:
        """Work on the model's thread."""
        return await asyncio.wrap_future(self.models.run(model, work))


def make_router(desk: StudioDesk) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get("/config")
    async def config() -> dict[str, Any]:
        from finecaption.draw import PALETTE

        return {
            "models": desk.models.names,
            "examples": [{"name": name, "title": title} for name, title in EXAMPLES.items()],
            "attributes": list(ATTRIBUTE_NAMES),
            "palette": list(PALETTE),
            "naming": list(actions.NAMING),
            "formats": {form: ending for form, (ending, _) in FORMATS.items()},
        }

    @router.get("/example/{name}")
    async def thumbnail(name: str) -> Response:
        data = await asyncio.to_thread(example, name, True)
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    @router.post("/open")
    async def open_picture(
        request: Request, example_name: str | None = None, model: str | None = None
    ) -> JSONResponse:
        if KEY not in request.headers:  # empty for a new one; other sites cannot send it
            raise ApiError(403, f"the header {KEY} is missing")
        data = await desk.body(request)
        name = unquote(request.headers.get("x-file-name", "picture"))[:200]
        if example_name is not None:
            data, name = await asyncio.to_thread(example, example_name), f"{example_name}.png"
        if not data:
            raise ApiError(400, f"{name}: is empty; choose another image")
        chosen = model or desk.models.names[0]

        def work(captioner: Any) -> Any:
            session, took = actions.open_picture(captioner, data, name, desk.max_pixels)
            return session, took, actions.notice_of(captioner, session)

        session, took, notice = await desk.run(chosen, work)
        session.model = chosen
        key = desk.store.put(session, request.headers[KEY] or None)
        return JSONResponse(
            {
                "session": key,
                "name": name,
                "size": session.size,
                "view": session.view,
                "model": chosen,
                "notice": notice,
                "ms": round(took),
            }
        )

    @router.get("/view")
    async def view(request: Request) -> Response:
        data, kind = await asyncio.to_thread(actions.view_image, desk.session(request))
        return Response(data, media_type=kind, headers={"Cache-Control": "no-store"})

    @router.post("/segment")
    async def segment(request: Request, body: SegmentBody) -> dict[str, Any]:
        session = desk.session(request)

        def work(captioner: Any) -> dict[str, Any]:
            item = actions.segment(captioner, session, **body.model_dump())
            return actions.item_json(session, item)

        return await desk.run(session.model, work)

    @router.post("/brush")
    async def brush(request: Request, region: int | None = None) -> dict[str, Any]:
        session = desk.session(request)
        data = await desk.body(request)

        def work() -> dict[str, Any]:
            return actions.item_json(session, actions.brush(session, data, region))

        return await asyncio.to_thread(work)

    @router.post("/everything")
    async def everything(request: Request) -> StreamingResponse:
        session = desk.session(request)
        loop, news = asyncio.get_running_loop(), asyncio.Queue[float]()

        def work(captioner: Any) -> list[dict[str, Any]]:
            def tell(share: float) -> None:
                loop.call_soon_threadsafe(news.put_nowait, share)

            items = actions.everything(captioner, session, tell)
            return [actions.item_json(session, item) for item in items]

        async def lines() -> AsyncIterator[dict[str, Any]]:
            task = asyncio.ensure_future(desk.run(session.model, work))
            while not task.done():
                share = asyncio.ensure_future(news.get())
                await asyncio.wait({task, share}, return_when=asyncio.FIRST_COMPLETED)
                if share.done():
                    yield {"progress": round(share.result(), 3)}
                else:
                    share.cancel()
            yield {"regions": task.result()}

        return _stream(lines())

    @router.delete("/regions")
    async def clear(request: Request) -> dict[str, Any]:
        desk.session(request).items.clear()
        return {"links": actions.links_json(desk.session(request))}

    @router.delete("/regions/{region}")
    async def remove(request: Request, region: int) -> dict[str, Any]:
        session = desk.session(request)
        actions.item_of(session, region)
        del session.items[region]
        return {"links": actions.links_json(session)}

    @router.post("/describe")
    async def describe(request: Request, body: DescribeBody) -> StreamingResponse:
        session = desk.session(request)
        names = ATTRIBUTE_NAMES if body.attributes is None else tuple(body.attributes)
        work = actions.describe
        for number in body.regions:
            actions.item_of(session, number)
        if not body.regions and not body.whole:
            raise ApiError(400, "regions: choose one, or ask about the whole image")

        async def lines() -> AsyncIterator[dict[str, Any]]:
            asked = names if body.regions else ()
            made = await desk.run(
                session.model,
                lambda c: work(c, session, body.regions, asked, body.dense, body.whole),
            )
            try:
                while True:
                    news = await desk.run(session.model, lambda c: next(made, _DONE))
                    if news is _DONE:
                        break
                    yield {"updates": news}
            finally:
                # on the model's own thread, behind a step that may still be running
                desk.models.run(session.model, lambda c: made.close())
            yield {"links": await asyncio.to_thread(actions.links_json, session)}

        return _stream(lines())

    @router.post("/evidence")
    async def evidence(request: Request, body: EvidenceBody) -> dict[str, Any]:
        session = desk.session(request)
        found = await desk.run(
            session.model, lambda c: actions.evidence(c, session, body.region, body.name, body.word)
        )
        return {"map": data_uri(found.pop("map"), "png"), **found}

    @router.post("/model")
    async def model(request: Request, body: ModelBody) -> dict[str, Any]:
        session = desk.session(request)

        def work(captioner: Any) -> str | None:
            actions.change_model(captioner, session)
            return actions.notice_of(captioner, session)

        notice = await desk.run(body.name, work)
        session.model = body.name
        return {
            "model": body.name,
            "notice": notice,
            "regions": [actions.item_json(session, item) for item in session.items.values()],
        }

    @router.get("/export/{form}")
    async def take(request: Request, form: str) -> Response:
        session = desk.session(request)
        if form not in FORMATS:
            raise ApiError(404, f"there is no format {form[:40]!r}; choose {', '.join(FORMATS)}")
        data = await asyncio.to_thread(export, session, form)
        named = f"attachment; filename*=UTF-8''{quote(file_name(session, form))}"
        headers = {"Content-Disposition": named, "Cache-Control": "no-store"}
        return Response(data, media_type=FORMATS[form][1], headers=headers)

    return router


def _stream(lines: AsyncIterator[dict[str, Any]]) -> StreamingResponse:
    """One JSON object a line; an error after the beginning is the last line."""

    async def encoded() -> AsyncIterator[bytes]:
        try:
            async for line in lines:
                yield strict_json.dumps(line).encode() + b"\n"
        except InputError as error:
            message = str(input_error(error).detail)
            yield strict_json.dumps({"error": {"message": message}}).encode() + b"\n"

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(encoded(), media_type="application/x-ndjson", headers=headers)


__all__ = ["KEY", "PREFIX", "StudioDesk", "make_router"]
