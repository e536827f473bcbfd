"""Runs a case and says what came of it: the value that was due, or what went wrong."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from finecaption.errors import FineCaptionError

from .case import Case, Place, Printed, Refused

Outcome: TypeAlias = Literal["right", "clear error", "silent error", "traceback", "hang", "leak"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
GOOD: tuple[Outcome, ...] = ("right", "clear error")
LIMIT = 20.0
"""Seconds that a case may take."""

# Threads of a server that lives as long as the run, and of event loops: they serve the next case.
_STANDING = re.compile(r"finecaption-|AnyIO worker|asyncio|ThreadPoolExecutor|pymp|Gauntlet")
_CACHES = (os.devnull, "/dev/", "/proc/")  # that are written to without a trace


@dataclass(frozen=True)
class Result:
    """What came of a case."""

    case: Case
    outcome: Outcome
    said: str = ""
    """The message, the wrong value, or what leaked."""

    @property
    def bad(self) -> bool:
        """Whether it makes a run fail."""
        return self.outcome not in GOOD and not self.case.known


class _Late(BaseException):
    """The case's time is over; no `except Exception` may keep it."""


class Watch:
    """What a process opens, starts and asks, as Python's audit events tell. There is one."""

    def __init__(self) -> None:
        self._seen: list[str] | None = None
        self._allowed: tuple[str, ...] = ()
        self._forbidden = ""
        sys.addaudithook(self._hook)

    @contextlib.contextmanager
    def over(self, place: Place, scratch: Path) -> Iterator[list[str]]:
        """Notes what the block touches outside its folders; the list fills while it runs."""
        self._allowed = (*map(str, (place.folder, scratch)), *_CACHES)
        self._forbidden = str(place.outside)
        self._seen = seen = []
        try:
            yield seen
        finally:
            self._seen = None

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        seen = self._seen
        if seen is None:
            return
        if event == "open":
            self._opened(seen, *given)
        elif event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"):
            seen.append(f"starts {given[0]!r}")
        elif event == "socket.connect" and isinstance(given[1], tuple):
            host = str(given[1][0])
            if not host.startswith(("127.", "::1", "localhost")):
                seen.append(f"connects to {host}")

    def _opened(self, seen: list[str], path: Any, mode: Any, flags: Any) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        name = os.path.abspath(os.fsdecode(path))
        if name.startswith(self._forbidden):
            seen.append(f"opens {name}")
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and not name.startswith(self._allowed) and "__pycache__" not in name:
            seen.append(f"writes {name}")


_watch: list[Watch] = []  # an audit hook cannot be taken away, so that there is one a process


def run(
    case: Case, root: Path, model: Callable[[], Path], *, limit: float = LIMIT, final: bool = False
) -> Result:
    """Runs a case in a folder of its own below `root`, and removes it.

    Args:
        case: what to run.
        root: an existing folder.
        model: see `Place.model`.
        limit: seconds.
        final: end the process with a traceback where not even an exception can stop a hang.
    """
    if not _watch:
        _watch.append(Watch())
    root = Path(tempfile.mkdtemp(dir=root))
    place = Place(root / "case", root / "outside", model)
    scratch = root / "scratch"
    for folder in (place.folder, place.outside, scratch):
        folder.mkdir()
    (place.outside / "secret.txt").write_text("the key is 4711\n")
    Image.new("RGB", (160, 120), (1, 2, 3)).save(place.outside / "secret.png")
    if case.warm is not None:
        case.warm(place)
    before = _state(place)
    here, old = os.getcwd(), tempfile.tempdir
    tempfile.tempdir = str(scratch)
    os.chdir(place.folder)
    try:
        with _watch[0].over(place, scratch) as touched:
            result = _judged(case, place, limit, final)
    finally:
        os.chdir(here)
        tempfile.tempdir = old
    if result.outcome in GOOD:
        left = [*touched, *_left(before, place, scratch)]
        if left:
            result = Result(case, "leak", "; ".join(dict.fromkeys(left))[:500])
    _writable(root)
    shutil.rmtree(root, ignore_errors=True)
    return result


def _judged(case: Case, place: Place, limit: float, final: bool) -> Result:
    try:
        with _alarm(limit, final), warnings.catch_warnings(), _quiet() as said:
            warnings.simplefilter("ignore")
            value = case.run(place)
        if "Traceback (most recent call last)" in said.getvalue():
            raise Printed(said.getvalue()[-400:])
    except _Late:
        return Result(case, "hang", f"no answer in {limit:g} s")
    except (FineCaptionError, Refused) as error:
        said = " ".join(str(error).split())
        if case.word is None:
            return Result(case, "silent error", f"refused, and should not be: {said[:300]}")
        if case.word.casefold() not in said.casefold():
            return Result(case, "silent error", f"{case.word!r} is not in: {said[:300]}")
        return Result(case, "clear error", said[:300])
    except AssertionError as error:  # of `command`: another exit code
        return Result(case, "silent error", str(error)[:400])
    except Printed as error:
        return Result(case, "traceback", str(error)[-400:])
    except (Exception, SystemExit) as error:
        told = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(told.filename).name}:{told.lineno}"
        return Result(case, "traceback", f"{type(error).__name__}: {str(error)[:300]} ({where})")
    if case.word is not None:
        return Result(case, "silent error", f"no error, but {_shown(value)}")
    if not same(value, case.value):
        return Result(case, "silent error", f"{_shown(value)} instead of {_shown(case.value)}")
    return Result(case, "right")


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Keeps what is printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


@contextlib.contextmanager
def _alarm(limit: float, final: bool) -> Iterator[None]:
    """Raises _Late in the main thread when the time is over."""

    def ring(*_: object) -> None:
        raise _Late

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit)
    if final:
        faulthandler.dump_traceback_later(3 * limit, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        if final:
            faulthandler.cancel_dump_traceback_later()


def same(value: Any, due: Any) -> bool:
    """Whether a value is the one that is due: masks by IoU, lists one by one."""
    if isinstance(due, np.ndarray):
        if not isinstance(value, np.ndarray) or value.shape != due.shape:
            return False
        if due.dtype != np.bool_:
            return bool(np.array_equal(value, due))
        union = np.count_nonzero(value | due)
        return value.dtype == np.bool_ and np.count_nonzero(value & due) == union
    if isinstance(due, (list, tuple)) and isinstance(value, (list, tuple)):
        return len(due) == len(value) and all(map(same, value, due))
    return bool(value == due)


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of {value.shape} with {np.count_nonzero(value)} not zero"
    return repr(value)[:200]


def _state(place: Place) -> tuple[set[int], set[str], dict[str, int]]:
    return {t.ident or 0 for t in threading.enumerate()}, _children(), _listing(place)


def _listing(place: Place) -> dict[str, int]:
    """Path -> time of its last change, of what lies beside the case's folder."""
    found = [*place.outside.rglob("*"), *place.folder.parent.iterdir()]
    skipped = (place.folder, place.outside, place.folder.parent / "scratch")
    return {str(path): path.lstat().st_mtime_ns for path in found if path not in skipped}


def _children() -> set[str]:
    """Ids of the processes that this one has started, where the system tells."""
    found: set[str] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(file.read_text().split())
    return found


def _left(
    before: tuple[set[int], set[str], dict[str, int]], place: Place, scratch: Path
) -> Iterator[str]:
    """What a case leaves behind."""
    threads, children, files = before
    gc.collect(0)
    for thread in threading.enumerate():
        if thread.ident not in threads and not _STANDING.match(thread.name):
            thread.join(1.0)  # some end a moment after their work
            if thread.is_alive():
                yield f"leaves the thread {thread.name}"
    for child in sorted(_children() - children):
        yield f"leaves the process {child}"
    for file in sorted(scratch.rglob("*")):
        yield f"leaves the temporary file {file.name}"
    for file in sorted(place.folder.rglob(".*.part")):
        yield f"leaves {file.name}"
    for path in sorted(files.items() ^ _listing(place).items()):
        yield f"changes {path[0]}"


def _writable(root: Path) -> None:
    for folder, names, _ in os.walk(root):
        for name in names:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(folder, name), 0o700)


def table(results: Sequence[Result]) -> str:
    """A Markdown table by kind of input, and a list of every case that did not go well."""
    kinds = list(dict.fromkeys(result.case.kind for result in results))
    lines = [f"| input | cases | {' | '.join(OUTCOMES)} | known |", "|---|" + "---:|" * 8]
    for kind in [*kinds, "all"]:
        mine = [r for r in results if kind in (r.case.kind, "all")]
        lines.append(f"| {kind} | {len(mine)} | {' | '.join(map(str, _counts(mine)))} |")
    for result in results:
        if result.outcome in GOOD:
            continue
        case = result.case
        known = f" (known: {case.known})" if case.known else ""
        lines.append(f"- **{result.outcome}** {case.kind}: {case.name}: {result.said}{known}")
    return "\n".join(lines)


def _counts(results: Iterable[Result]) -> list[int]:
    """How many there are of each outcome, and how many are known faults."""
    found: Counter[str] = Counter()
    for result in results:
        fault = result.outcome not in GOOD
        found["known" if fault and result.case.known else result.outcome] += 1
    return [found[name] for name in (*OUTCOMES, "known")]
