"""The openai client against a real server on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.errors import InputError
from finecaption_annotate.annotate import (
    Ask,
    CaptionerError,
    OpenAICaptioner,
    annotate,
    folder_jobs,
)
from finecaption_annotate.annotate.prompts import PROMPTS_VERSION, prompt
from finecaption_annotate.annotate.remote import outlined

from ...chat import ChatServer

pytest.importorskip("openai")


def captioner(server: ChatServer, **kw: object) -> OpenAICaptioner:
    return OpenAICaptioner(server.address, "some-vlm", first_wait=0.01, **kw)  # type: ignore[arg-type]


def ask(attribute: str | None = "Color") -> Ask:
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:50] = True
    return Ask(mask, "aarc" if attribute else "rdc", attribute)


PICTURE = Image.new("RGB", (80, 60), (10, 200, 10))


def test_questions_and_answers(server: ChatServer) -> None:
    asks = [ask(), ask("Hair"), ask(None), Ask(None, "cgic")]
    told = dict(captioner(server, workers=1).answer(PICTURE, asks))
    assert told[0].text is not None and told[0].text.startswith("Said of")
    assert told[1].text is None  # "Not applicable."
    assert len(told) == len(server.requests) == 4
    request = server.requests[0]
    assert (request["model"], request["temperature"]) == ("some-vlm", 0)
    assert server.text(0) == prompt("aarc", "Color", "outline")
    assert [len(server.pictures(k)) for k in range(4)] == [2, 2, 2, 1]
    whole, near = server.pictures(0)
    pixels = np.asarray(whole.convert("RGB"))
    assert whole.size == (80, 60) and (pixels[20, 30:50] == (255, 0, 0)).all()
    assert near.size == (38, 38) and (np.asarray(near.convert("RGB")) == (10, 200, 10)).all()


def test_a_region_as_transparency(server: ChatServer) -> None:
    list(captioner(server, shown="alpha").answer(PICTURE, [ask()]))
    (picture,) = server.pictures(0)
    alpha = np.asarray(picture.getchannel("A"))
    assert picture.mode == "RGBA" and alpha[30, 40] == 255 and alpha[0, 0] == 0


@pytest.mark.parametrize("status", [429, 500, 503, 204])
def test_a_busy_server_is_asked_again(server: ChatServer, status: int) -> None:
    server.moods = [(status, {}), (status, {"retry-after": "0.01"})]
    ((_, said),) = captioner(server).answer(PICTURE, [ask()])
    assert said.text and said.tries == 3 and len(server.requests) == 3


def test_a_server_that_stays_busy_ends_the_run(server: ChatServer) -> None:
    server.moods = [(503, {})] * 3
    with pytest.raises(CaptionerError, match="no answer after 3 tries .*the same command goes on"):
        list(captioner(server, tries=3).answer(PICTURE, [ask()]))


def test_a_refusal_is_final(server: ChatServer) -> None:
    server.moods = [(401, {})]
    with pytest.raises(CaptionerError, match="refuses the request .*mood 401"):
        list(captioner(server).answer(PICTURE, [ask()]))
    assert len(server.requests) == 1


def test_nobody_there() -> None:
    asked = OpenAICaptioner("http://127.0.0.1:9/v1", "m", tries=2, first_wait=0.01)
    with pytest.raises(CaptionerError, match="no answer after 2 tries"):
        list(asked.answer(PICTURE, [ask()]))


def test_the_key_goes_to_the_server_and_into_no_record(
    server: ChatServer, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_KEY", "s3cret")
    asked = captioner(server, key_variable="OWN_KEY")
    annotate(folder_jobs(pictures), asked, tmp_path / "a.json", attributes=("Color",))
    assert set(server.keys) == {"Bearer s3cret"} and len(server.requests) == 4
    files = [p.read_bytes() for p in tmp_path.rglob("a.json*")]
    assert len(files) >= 2 and not any(b"s3cret" in data for data in files)
    record = json.loads((tmp_path / "a.json").read_text("utf-8"))[0]
    assert record["provenance"]["captioner"]["address"] == server.address


def test_a_run_goes_on_after_the_server_broke_down(
    server: ChatServer, pictures: Path, tmp_path: Path
) -> None:
    asked = captioner(server, workers=1, tries=1)
    server.moods = [(200, {}), (200, {}), (500, {})]
    with pytest.raises(CaptionerError):
        annotate(folder_jobs(pictures), asked, tmp_path / "a.json", attributes=("Color",))
    summary = annotate(folder_jobs(pictures), asked, tmp_path / "a.json", attributes=("Color",))
    # four questions, one of them answered by an error
    assert len(server.requests) == 5 and summary.pictures == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shown": "painted"}, "shown: must be one of outline, alpha"),
        ({"workers": 0}, "workers: is 0"),
        ({"per_minute": 0}, "per_minute: is 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OpenAICaptioner("http://127.0.0.1/v1", "m", **settings)  # type: ignore[arg-type]


def test_a_region_thinner_than_a_pixel_is_outlined() -> None:
    mask = np.zeros((900, 1200), bool)
    mask[450, 600] = True
    whole, near = outlined(Image.new("RGB", (1200, 900)), mask, 100)
    assert whole.size == (100, 75) and np.asarray(whole)[..., 0].max() == 255
    assert near.size == (9, 9)


def test_prompts_are_as_their_version_says() -> None:
    """A changed text needs a new PROMPTS_VERSION, and then a new line here."""
    import hashlib

    texts = [prompt(t, "Color", s) for t in ("aarc", "rdc", "cgic") for s in ("outline", "alpha")]  # type: ignore[arg-type]
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
    assert (PROMPTS_VERSION, digest) == ("1", "64ec02f1f73c")
