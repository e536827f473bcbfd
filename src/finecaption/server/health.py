"""`/healthz`, `/readyz`, `/metrics`: health checks and metrics for operators."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from finecaption.server.metrics import CONTENT_TYPE
from finecaption.server.service import service_of

router = APIRouter(tags=["operation"])
metrics_router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process lives: always, if it answers."""
    return {"status": "ok"}


_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "Not yet, or no more."}}


@router.get("/readyz", response_model=None, responses=_NOT_READY)
async def readyz(request: Request) -> Response:
    """Whether the model is loaded and requests are taken."""
    engine = service_of(request).engine
    if engine.ready:
        return JSONResponse({"status": "ready", "model": engine.captioner.name})
    why = str(engine.failure) if engine.failure is not None else "loading or stopping"
    return JSONResponse({"status": "not ready", "why": why}, 503)


@metrics_router.get("/metrics", response_model=None, response_class=Response)
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    return Response(service_of(request).metrics.page(), media_type=CONTENT_TYPE)
