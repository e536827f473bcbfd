"""Prometheus metrics at /metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from finecaption.server.batching import Engine

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_PLACES = ("/v1/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")


class Metrics:
    """Counters and gauges of one application; a registry of its own, so that many can live in one
    process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "finecaption_requests_total",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "finecaption_request_seconds",
            "Time to the end of the answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "finecaption_batch_requests",
            "Requests answered together.",
            buckets=_SIZES,
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "finecaption_batch_seconds",
            "Time of a batch in the model.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "finecaption_tokens_total",
            "Tokens of chat requests.",
            ("kind",),
            registry=self.registry,
        )
        self.answers = Counter(
            "finecaption_answers_total", "Questions answered.", registry=self.registry
        )
        self.pictures = Counter(
            "finecaption_pictures_total",
            "Images asked about again, by whether they were cached.",
            ("kept",),
            registry=self.registry,
        )
        self.refused = Counter(
            "finecaption_refused_total",
            "Requests refused for lack of room.",
            ("why",),
            registry=self.registry,
        )
        self.cancelled = Counter(
            "finecaption_cancelled_total",
            "Requests whose client went away or waited too long.",
            ("why",),
            registry=self.registry,
        )

    def watch(self, engine: Engine) -> None:
        """Adds gauges of the engine."""
        for name, text, value in (
            ("finecaption_requests_held", "Requests at work or waiting.", lambda: engine.admitted),
            ("finecaption_bytes_held", "Bytes held for requests.", lambda: engine.memory.held),
            ("finecaption_ready", "1 if the model is loaded.", lambda: int(engine.ready)),
        ):
            Gauge(name, text, registry=self.registry).set_function(value)

    def batch(self, requests: int, seconds: float) -> None:
        """See `batching.Watcher`."""
        self.batches.observe(requests)
        self.batch_seconds.observe(seconds)

    def cached(self, hit: bool) -> None:
        """See `batching.Watcher`."""
        self.pictures.labels("yes" if hit else "no").inc()

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class Measure:
    """ASGI: counts and times every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.monotonic()
        status = 499  # unless an answer is begun: the client has gone

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, told)
        except Exception:
            status = 500
            raise
        finally:
            # the route's pattern, never the path itself: strangers choose paths
            known = scope["path"].startswith(_PLACES)
            route = getattr(scope.get("route"), "path", None) if known else "other"
            self.metrics.requests.labels(route or "other", _method(scope), str(status)).inc()
            self.metrics.seconds.labels(route or "other").observe(time.monotonic() - start)


def _method(scope: Scope) -> str:
    method = scope["method"]
    return method if method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE") else "other"
