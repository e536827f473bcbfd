"""The OpenAPI document, its page, the metrics; and what schemathesis makes of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from finecaption.server import Settings, create_app

from .conftest import PATIENCE, Live, small

_SCHEMA = schemathesis.openapi.from_dict(
    create_app(Settings(docs=True), captioner=object()).openapi()  # type: ignore[arg-type]  # never asked
)


@_SCHEMA.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_that_the_openapi_allows_breaks_it(case: Any, live: Live) -> None:
    answer = case.call(base_url=live.url, timeout=PATIENCE)
    assert answer.status_code < 500, answer.text


def test_the_document(live: Live) -> None:
    document = live.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/chat/completions", "/v1/models", "/v1/models/{name}", "/v1/regions", "/v1/segment",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "422" not in operation["responses"]
    named = set(re.findall(r'"#/components/schemas/(\w+)"', live.get("/openapi.json").text))
    assert named <= set(document["components"]["schemas"])


def test_the_page_asks_nobody_else(live: Live) -> None:
    answer = live.get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    links = re.findall(r"(?:src|href)=['\"]?([^'\">\s]+)", answer.text)
    assert links and all(link.startswith("#") or link == "openapi.json" for link in links)
    assert "<script" not in answer.text
    for path in live.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in answer.text
    assert "Clicks [x, y] on the thing" in answer.text


def test_docs_and_metrics_can_be_left_out() -> None:
    app = create_app(Settings(docs=False, metrics=False), captioner=object())  # type: ignore[arg-type]  # never asked
    paths = {getattr(route, "path", None) for route in app.routes}
    assert not paths & {"/docs", "/openapi.json", "/metrics", "/redoc"}


def test_metrics(live: Live) -> None:
    def figure(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", live.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    done = 'finecaption_requests_total{method="POST",route="/v1/regions",status="200"}'
    bad = 'finecaption_requests_total{method="POST",route="/v1/regions",status="400"}'
    before = [figure(name) for name in (done, bad, "finecaption_answers_total")]
    assert (
        live.post("/v1/regions", {"image": small(), "regions": [[2, 2, 9, 9]]}).status_code == 200
    )
    assert live.post("/v1/regions", {"image": "?"}).status_code == 400
    live.get("/a-path-of-a-stranger")
    after = [figure(name) for name in (done, bad, "finecaption_answers_total")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 2]
    assert figure("finecaption_ready") == 1 and figure("finecaption_requests_held") == 0
    assert figure("process_resident_memory_bytes") > 1e6
    assert "a-path-of-a-stranger" not in live.get("/metrics").text


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/regions", "/v1/models/%00"])
def test_errors_have_openais_form(live: Live, path: str) -> None:
    answer = live.get(path)
    assert answer.status_code in (404, 405)
    assert answer.json()["error"]["message"]
