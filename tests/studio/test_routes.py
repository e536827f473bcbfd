"""The studio's own requests, with a model of random weights behind them."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.errors import InputError
from finecaption.io.masks import decode_rle, encode_png
from finecaption.studio.export import FORMATS, coco_document
from finecaption.studio.session import NoSession, SessionStore, runs

pytest.importorskip("gradio", reason="needs finecaption[demo]")

KEY = "x-studio-session"


@pytest.fixture(scope="module")
def client(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    from finecaption.captioner import FineCaption
    from finecaption.segmentation.click import ClickDecoder, save_segmenter
    from finecaption.server.settings import Settings
    from finecaption.studio import create_studio

    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("studio") / "tiny")
    captioner = FineCaption.from_pretrained(folder, "cpu")
    save_segmenter(ClickDecoder.for_model(captioner.model.config), folder)
    app = create_studio(Settings(max_body=200_000, max_pixels=50_000), captioner)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def png(width: int = 80, height: int = 60) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def visitor(client: Any) -> dict[str, str]:
    answer = client.post(
        "/studio-api/open", content=png(), headers={KEY: "", "x-file-name": "my%20cat.png"}
    )
    assert answer.status_code == 200, answer.text
    opened = answer.json()
    assert opened["size"] == opened["view"] == [80, 60] and opened["name"] == "my cat.png"
    return {KEY: opened["session"]}


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def clicked(client: Any, visitor: dict[str, str], **body: Any) -> dict[str, Any]:
    answer = client.post("/studio-api/segment", json=body, headers=visitor)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_click_refine_describe_and_take_away(client: Any, visitor: dict[str, str]) -> None:
    first = clicked(client, visitor, point=[20, 30])
    assert first["id"] == 1 and sum(first["runs"]) == 80 * 60 and first["captions"] == {}
    again = clicked(client, visitor, region=1, point=[70, 50], positive=False)
    assert again["id"] == 1 and [p[2] for p in again["points"]] == [True, False]
    undone = clicked(client, visitor, region=1, undo=True)
    assert undone["points"] == first["points"] and undone["runs"] == first["runs"]
    assert clicked(client, visitor, box=[10, 10, 40, 40])["prompt"] == [10, 10, 40, 40]

    body = {"regions": [1, 2], "attributes": ["Color"], "dense": True}
    news = lines(client.post("/studio-api/describe", json=body, headers=visitor))
    done = [one for line in news for one in line.get("updates", ()) if one["done"]]
    told = {(one["region"], one["name"]) for one in done}
    assert told == {(1, "Color"), (1, "dense"), (2, "Color"), (2, "dense")}
    assert set(news[-1]["links"]) == {"labels", "mentions", "relations"}

    taken = {form: client.get(f"/studio-api/export/{form}", headers=visitor) for form in FORMATS}
    assert all(answer.status_code == 200 for answer in taken.values())
    assert "my-cat.coco.json" in taken["coco"].headers["content-disposition"]
    result = taken["json"].json()
    assert [set(one["captions"]) for one in result["regions"]] == [{"Color"}, {"Color"}]
    assert decode_rle(result["regions"][0]["mask"]).shape == (60, 80)
    graph = taken["graph"].json()
    assert [node["id"] for node in graph["nodes"]] == [1, 2]
    assert taken["dot"].text.startswith("digraph") and "r1 [label=" in taken["dot"].text
    assert Image.open(io.BytesIO(taken["png"].content)).width >= 80
    assert "<script" not in taken["html"].text and 'id="r2"' in taken["html"].text

    answer = client.request("DELETE", "/studio-api/regions/1", headers=visitor)
    assert answer.status_code == 200
    left = client.get("/studio-api/export/json", headers=visitor).json()
    assert len(left["regions"]) == 1


# pycocotools 2.0.x has an __array__ that NumPy 2 complains of
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_loads(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    mask = np.zeros((60, 80), bool)
    mask[5:20, 10:30] = True
    path = tmp_path / "coco.json"
    document = coco_document("a.png", (80, 60), [mask, ~mask], categories=["cat", None])
    path.write_text(json.dumps(document))
    coco = COCO(str(path))
    assert [coco.annToMask(one).sum() for one in coco.loadAnns([1, 2])] == [300, 4500]
    assert coco.loadAnns([1])[0]["bbox"] == [10, 5, 20, 15]
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["cat", "region"]


def test_brush_everything_and_the_whole_picture(client: Any, visitor: dict[str, str]) -> None:
    painted = np.zeros((60, 80), bool)
    painted[10:30, 10:30] = True
    answer = client.post("/studio-api/brush", content=encode_png(painted), headers=visitor)
    assert answer.json()["how"] == "brush"
    assert answer.json()["area"] == pytest.approx(400 / 4800, 1e-3)
    turned = client.post("/studio-api/brush", content=encode_png(painted.T), headers=visitor)
    assert turned.status_code == 400 and "but the image is" in turned.json()["error"]["message"]
    empty = client.post("/studio-api/brush", content=encode_png(painted & False), headers=visitor)
    assert empty.status_code == 400 and "nothing is painted" in empty.text
    news = lines(client.post("/studio-api/everything", headers=visitor))
    assert "regions" in news[-1]
    news = lines(client.post("/studio-api/describe", json={"whole": True}, headers=visitor))
    assert news[-2]["updates"][-1]["name"] == "global"
    body = {"region": None, "name": "global", "word": 0}
    text = news[-2]["updates"][-1]["text"]
    answer = client.post("/studio-api/evidence", json=body, headers=visitor)
    if text.split():
        assert answer.json()["map"].startswith("data:image/png;base64,")
    else:
        assert answer.status_code == 400


def test_evidence_of_a_region(client: Any, visitor: dict[str, str]) -> None:
    clicked(client, visitor, point=[20, 30])
    early = client.post(
        "/studio-api/evidence", json={"region": 1, "name": "Color", "word": 0}, headers=visitor
    )
    assert early.status_code == 400 and "nothing was said" in early.text


def test_views_of_large_pictures_are_smaller(client: Any) -> None:
    opened = client.post("/studio-api/open", content=png(1600, 20), headers={KEY: ""}).json()
    assert opened["size"] == [1600, 20] and opened["view"] == [1280, 16]
    visitor = {KEY: opened["session"]}
    shown = client.get("/studio-api/view", headers=visitor)
    assert Image.open(io.BytesIO(shown.content)).size == (1280, 16)
    assert sum(clicked(client, visitor, point=[1500, 10])["runs"]) == 1280 * 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\nnothing", "hello.png"),
        (b"no picture at all", "hello.png"),
        (b"", "is empty"),
    ],
)
def test_broken_files(client: Any, data: bytes, message: str) -> None:
    headers = {KEY: "", "x-file-name": "hello.png"}
    answer = client.post("/studio-api/open", content=data, headers=headers)
    assert answer.status_code == 400 and message in answer.json()["error"]["message"]


def test_limits_and_sessions(client: Any, visitor: dict[str, str]) -> None:
    assert client.post("/studio-api/open", content=png()).status_code == 403
    large = client.post("/studio-api/open", content=b"x" * 200_001, headers={KEY: ""})
    assert large.status_code == 413
    wide = client.post("/studio-api/open", content=png(501, 100), headers={KEY: ""})
    assert wide.status_code == 400 and "pixels" in wide.text
    over = client.post("/studio-api/segment", json={"point": [1, 1]}, headers={KEY: "gone"})
    assert over.status_code == 410 and over.json()["error"]["code"] == "session_over"
    outside = client.post("/studio-api/segment", json={"point": [99, 1]}, headers=visitor)
    assert outside.status_code == 400
    assert client.get("/studio-api/export/exe", headers=visitor).status_code == 404
    gone = client.post("/studio-api/segment", json={"region": 9, "point": [1, 1]}, headers=visitor)
    assert gone.status_code == 400 and "region 9" in gone.text


def test_the_page_may_ask_nobody_else(client: Any) -> None:
    page = client.get("/studio/")
    policy = page.headers["content-security-policy"]
    assert page.status_code == 200 and "default-src 'self'" in policy
    assert "connect-src 'self'" in policy and "http" not in policy
    assert client.get("/", follow_redirects=False).headers["location"] == "/studio/"
    assert client.get("/studio-files/main.js").status_code == 200
    assert client.get("/studio-api/config").json()["models"] == ["tiny"]


def test_keys_cannot_guard_a_page() -> None:
    from finecaption.server.settings import Settings
    from finecaption.studio import create_studio

    with pytest.raises(InputError, match="api_keys"):
        create_studio(Settings(api_keys="a-secret-key"))


def test_sessions_are_forgotten() -> None:
    store = SessionStore(most=2)
    keys = [store.put(session()) for _ in range(3)]
    assert len(store) == 2 and len(set(keys)) == 3
    with pytest.raises(NoSession):
        store.get(keys[0])
    again = session()
    assert store.put(again, keys[2]) == keys[2] and store.get(keys[2]) is again
    assert SessionStore(idle=-1.0).put(session())  # what idles too long is dropped, also the newest


def session() -> Any:
    from finecaption.studio.session import Session

    return Session(Image.new("RGB", (4, 4)), None, "m", "n")  # type: ignore[arg-type]  # not looked at


def test_runs_go_along_rows() -> None:
    mask = np.array([[True, True, False], [False, True, True]])
    assert runs(mask) == [0, 2, 2, 2] and runs(~mask) == [2, 2, 2]
    assert runs(np.zeros((2, 3), bool)) == [6]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/studio-api/open", {"host": "evil.example"}, 421),
        ("/v1/regions", {"host": "evil.example"}, 421),
        ("/studio-api/open", {"origin": "https://evil.example"}, 403),
        ("/studio/gradio_api/upload", {"origin": "https://evil.example"}, 403),
        ("/studio/gradio_api/upload", {}, 405),
        ("/studio/gradio_api/run/predict", {}, 405),
    ],
)
def test_foreign_pages_and_gradios_own_doors(
    client: Any, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.post(path, content=b"x", headers={KEY: "", **headers})
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/studio-api/segment", "/studio-api/open", "/anything"])
def test_nothing_is_larger_than_a_body_may_be(client: Any, path: str) -> None:
    answer = client.post(path, content=bytes(200_001), headers={KEY: ""})
    assert answer.status_code == 413
