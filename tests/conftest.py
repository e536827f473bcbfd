"""Settings for the whole suite."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from .tiny_model import save_tiny_model

# derandomized: a run fails for a change in the code, not for the draw; no deadline: machines vary
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("suite")

# What a user's environment may hold that changes what is printed, asked or found. Commands that
# tests start inherit what is left.
_FOREIGN = re.compile(
    r"FINECAPTION_(?!UPDATE_DOCS)|OPENAI_|(COLUMNS|LINES|FORCE_COLOR|NO_COLOR|RANK|LOCAL_RANK|"
    r"WORLD_SIZE|MASTER_ADDR|MASTER_PORT)$"
)
for _name in list(filter(_FOREIGN.match, os.environ)):
    del os.environ[_name]
# One thread a process, before anything loads torch: sums of floats depend on how many there are,
# and two processes of one thread each suit two cores. Nothing is asked of a hub.
os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
# servers of tests answer on this machine, whatever proxy leads out of it
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"

BROWSER_PATIENCE = 180_000  # milliseconds; what takes one second takes twenty on a busy machine


@pytest.fixture(scope="session", autouse=True)
def on_this_machine() -> Iterator[None]:
    """Connections of this process to any other machine fail."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(link: socket.socket, address: Any) -> None:
        if link.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            here = host == "localhost" or ipaddress.ip_address(host).is_loopback
            assert here, f"a test wants to connect to {host}"

    def guarded(link: socket.socket, address: Any) -> None:
        check(link, address)
        connect(link, address)

    def guarded_ex(link: socket.socket, address: Any) -> int:
        check(link, address)
        return connect_ex(link, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield


@pytest.fixture(scope="session")
def without_meteor() -> Callable[[pytest.MonkeyPatch], None]:
    """Takes METEOR away; its start takes longer than most tests."""
    from finecaption.metrics import captions
    from finecaption.metrics.missing import Unavailable

    def none(*_: object) -> NoReturn:
        raise Unavailable("no Java here")

    def take(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(captions, "running_meteor", lambda: None)
        patch.setattr(captions, "shared_meteor", none)
        patch.setattr(captions, "meteor_for", none)

    return take


@pytest.fixture(scope="module")  # not longer: while it lives, its event loop is running
def browser() -> Iterator[Any]:
    """Playwright's handle of the Chromium that is installed, without a window.

    Without Chromium a test is skipped on a developer's machine, and fails in CI.
    """
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        message = "no Chromium is installed (Debian and Ubuntu: apt-get install chromium)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=path, timeout=BROWSER_PATIENCE,
            # root needs the first; containers often give little shared memory
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )  # fmt: skip
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own, which keeps a record.

    Its `asked` are the addresses of its requests, `wrong` the errors of its scripts.
    """
    page = browser.new_page(accept_downloads=True)
    page.set_default_timeout(BROWSER_PATIENCE)
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    yield page
    page.close()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model with random weights that sees masks: it babbles, but differently each time."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def quantizable_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model whose language model has sizes that NF4 takes; see quantisation.check_sizes."""
    import torch

    from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor, tiny

    folder = tmp_path_factory.mktemp("models") / "quantizable"
    processor = FineCaptionProcessor.from_pretrained(tiny_folder)
    config = tiny(len(processor.tokenizer), 3, hidden_size=64, intermediate_size=128)
    torch.manual_seed(0)
    FineCaptionForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
