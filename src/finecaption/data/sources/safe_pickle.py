"""Pickles of plain values only: a pickle that names any class or function is refused, unrun."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, NoReturn

from finecaption.errors import InputError


class _PlainUnpickler(pickle.Unpickler):
    """Builds dicts, lists, tuples, sets, texts, bytes, numbers, bools and None. Everything else
    goes through find_class (or a persistent id), and so ends here."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise InputError(
            f"holds {module}.{name}, not plain data; it could run code and is not opened: "
            "download the file again from its publishers"
        )

    def persistent_load(self, pid: Any) -> NoReturn:
        raise InputError("holds references to other objects, not plain data; it is not opened")


def load_plain_pickle(path: str | os.PathLike[str]) -> Any:
    """A pickle of plain values, also of Python 2 (its strings are read as UTF-8).

    Raises:
        InputError: no such file, broken, or with anything but plain values in it.
    """
    try:
        with Path(path).open("rb") as stream:
            return _PlainUnpickler(stream, encoding="utf-8", errors="replace").load()
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError("no such file; check the path") from error
    # broken pickles raise nearly anything (EOFError, KeyError, ValueError, MemoryError ...)
    except Exception as error:
        raise InputError(f"is not a whole pickle ({error}); download it again") from error
