"""METEOR 1.5 (Denkowski and Lavie 2014), in a Java process that can be kept.

Most of METEOR's time is its start: it reads a table of paraphrases, for ten seconds and more. For
one set of captions (`meteor_for`) it is given the part of the table that the set can use. For
several, a process with the whole table (`shared_meteor`) starts in the background, is spoken to
when it is ready, and serves every later call. Captions are sent all together, not one after the
answer to the other.
"""

from __future__ import annotations

import atexit
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np

from finecaption.errors import FineCaptionError
from finecaption.metrics.java import METEOR, find_jar, find_java
from finecaption.metrics.missing import Unavailable
from finecaption.metrics.ngrams import Words
from finecaption.metrics.paraphrases import write_needed

# as pycocoevalcap/meteor/meteor.py starts it
_ARGUMENTS = ("-", "-", "-stdio", "-l", "en", "-norm")
_MEMORY = "-Xmx2G"
_TABLE = "data/paraphrase-en.gz"  # beside the program, whose default it is
# in all texts, up to which they are looked for in the table: it takes up to a kilobyte a word, and
# beyond it METEOR computes so long that its start hardly counts
_FEW_WORDS = 600_000


class Meteor:
    """A METEOR process. `with` closes it; several threads may use one."""

    def __init__(self, paraphrases: Path | None = None) -> None:
        """
        Args:
            paraphrases: table in place of METEOR's own.

        Raises:
            Unavailable: no Java, or no METEOR.
        """
        java, jar = find_java(), find_jar(*METEOR)
        self._lock = threading.Lock()
        # a file, since a pipe that nobody reads runs full
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (open while it lives)
        table = [] if paraphrases is None else ["-a", str(paraphrases.resolve())]
        try:
            self._process = subprocess.Popen(
                [java, "-jar", _MEMORY, str(jar), *_ARGUMENTS, *table],
                cwd=jar.parent,  # it looks for its tables there
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except OSError as error:
            self._errors.close()
            raise Unavailable(f"METEOR does not start ({error})") from error

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def score(
        self, hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
    ) -> tuple[float, np.ndarray]:
        """METEOR of the corpus, from summed statistics (not the mean), and of each caption.

        Args:
            hypotheses: words of P captions; one without words has 0.
            references: words of the references of each.

        Returns:
            A figure in 0..1, and float64 (P,).

        Raises:
            FineCaptionError: the process has ended, or answers with something else.
        """
        lines = [_line(h, refs) for h, refs in zip(hypotheses, references, strict=True)]
        unique = list(dict.fromkeys(lines))
        if not unique:
            return 0.0, np.zeros(0)
        with self._lock:
            statistics = dict(zip(unique, self._ask(unique, len(unique)), strict=True))
            evaluate = " ||| ".join(("EVAL", *(statistics[line] for line in lines)))
            told = self._ask([evaluate], len(lines) + 1)
        try:
            scores = [float(value) for value in told]
        except ValueError as error:
            raise FineCaptionError(f"METEOR: answers with no number ({error})") from error
        each = np.nan_to_num(np.array(scores))  # two empty sentences have no harmonic mean
        return float(each[-1]), each[:-1]

    def _ask(self, lines: Sequence[str], answers: int) -> list[str]:
        """Sends lines and reads so many answers; both at once, so that no pipe runs full."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        data = "".join(f"{line}\n" for line in lines).encode()
        failure: list[OSError] = []

        def send() -> None:
            try:
                stdin.write(data)
                stdin.flush()
            except OSError as error:  # it has ended; the reader sees that too
                failure.append(error)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        out = []
        for _ in range(answers):
            line = stdout.readline()
            if not line:
                sender.join()
                raise FineCaptionError(f"METEOR: has ended: {self._told()}")
            out.append(line.decode().strip())
        sender.join()
        return out

    def _told(self) -> str:
        """The end of what it said on its error stream."""
        self._errors.seek(0)
        text = self._errors.read().decode("utf-8", "replace").strip()
        return text[-500:] or "it said nothing (out of memory?)"

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except OSError:
                    continue  # it has gone before
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def __enter__(self) -> Meteor:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


def _line(hypothesis: Words, references: Sequence[Words]) -> str:
    """The request for one caption's statistics; its separator cannot be part of a text."""

    def text(words: Words) -> str:
        return " ".join(w for w in (w.replace("|||", "") for w in words) if w)

    return " ||| ".join(("SCORE", *map(text, references), text(hypothesis)))


@contextmanager
def meteor_for(texts: Sequence[Words]) -> Iterator[Meteor]:
    """A process for one set of captions; it knows the paraphrases that these texts can use.

    Scores are those of the whole table, which it gets where the texts are many. It ends with the
    block.

    Args:
        texts: words of every caption and every reference that it will be asked about.

    Raises:
        Unavailable: no Java, or no METEOR.
    """
    find_java()
    whole = find_jar(*METEOR).parent / _TABLE
    with tempfile.TemporaryDirectory(prefix="finecaption-meteor-") as folder:
        part: Path | None = None
        if sum(map(len, texts)) <= _FEW_WORDS:
            own = Path(folder) / "paraphrases.gz"
            # if it cannot: METEOR reads the whole table, and says itself what is wrong with it
            with suppress(OSError, zlib.error):
                write_needed(whole, texts, own)
                part = own
        with Meteor(part) as meteor:
            yield meteor


_shared: list[Meteor] = []
_sharing = threading.Lock()


def shared_meteor() -> Meteor:
    """The process that everything in this program shares; started by the first call, which
    returns at once, and ended with the program.

    Raises:
        Unavailable: as Meteor.
    """
    with _sharing:
        if _shared and not _shared[0].alive:
            _shared.pop().close()
        if not _shared:
            _shared.append(Meteor())
        return _shared[0]


def running_meteor() -> Meteor | None:
    """The shared process, if it has been started and lives."""
    with _sharing:
        return _shared[0] if _shared and _shared[0].alive else None


@atexit.register
def close_shared() -> None:
    """Ends the shared process, if there is one."""
    with _sharing:
        while _shared:
            _shared.pop().close()
