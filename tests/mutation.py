"""Mutation tests: how many small faults in the source do the tests notice?

    python tests/mutation.py [--seed N] [--count 150] [--only PATH] [--again FILE] [--json FILE]

Each mutant (see mutants.py) runs in a copy of the checkout against the test files that mirror the
mutated file (`tests_of`); a test that fails, or does not end in time, kills it. This process
imports the third-party libraries once and forks for each mutant. Mutants that no test can kill are
in mutation_equivalents.toml, each with a reason, and are not counted.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import py_compile
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from mutants import PACKAGE, ROOT, Mutant, mutants_of, mutated  # of this folder

EQUIVALENTS = Path(__file__).with_name("mutation_equivalents.toml")
PROCESSES = 2
CHILDREN: set[int] = set()
MEMORY = 16 << 30  # bytes of addresses that one mutant may take
FILE_SIZE = 1 << 30  # bytes of one file that a mutant may write
SERVER = ("batching", "fetch", "image_cache", "jobs", "limits", "running")
AREAS: dict[str, list[str]] = {
    "model": ["model"],
    "inference": ["inference"],
    "io": ["io"],
    "metrics": ["metrics"],
    "bulk": ["bulk"],
    "server limits": [f"server/{name}.py" for name in SERVER],
}

# Tests of a file besides tests/<area>/test_<name>.py; a folder's are of all files below it.
NEIGHBORS: dict[str, list[str]] = {
    "model/__init__.py": ["model/test_modeling.py"],
    "model/chat_templates.py": ["model/test_processing.py", "model/test_tokenizer.py"],
    "model/configuration.py": ["model/test_parts.py", "model/test_modeling.py"],
    "model/encoders": ["model/test_encoders.py", "model/test_modeling.py"],
    "model/fusion.py": ["model/test_encoders.py", "model/test_modeling.py"],
    "model/loading.py": ["model/test_loading_whole.py", "test_quantize.py",
                         "captioner/test_captioner.py"],
    "model/parts.py": ["model/test_modeling.py"],
    "model/preparation.py": ["model/test_processing.py"],
    "model/presets.py": ["model/test_configuration.py", "model/test_parts.py",
                         "model/test_modeling.py"],
    "model/quantisation.py": ["test_quantize.py"],
    "model/tokenizer.py": ["model/test_processing.py"],
    "model/trunk.py": ["model/test_modeling.py", "model/test_encoders.py"],
    "inference": ["inference/test_batch_decoder.py", "inference/test_decoding.py"],
    "inference/memory_budget.py": ["captioner/test_captioner.py"],
    "inference/prepare.py": ["inference/test_choice_scoring.py", "captioner/test_captioner.py"],
    "inference/vision.py": ["inference/test_choice_scoring.py"],
    "io/checkpoint.py": ["model/test_loading_whole.py", "captioner/test_captioner.py"],
    "io/compressed_masks.py": ["io/test_compressed_masks.py"],
    "io/mask_values.py": ["io/test_masks.py"],
    "io/images.py": ["io/test_images.py", "io/test_png_texts.py"],
    "io/masks.py": ["test_types.py"],
    "metrics/bleu.py": ["metrics/test_ngrams.py"],
    "metrics/cider.py": ["metrics/test_ngrams.py"],
    "metrics/java.py": ["metrics/test_tokens.py", "metrics/test_captions.py"],
    "metrics/meteor.py": ["metrics/test_captions.py"],
    "metrics/missing.py": ["metrics/test_tokens.py", "metrics/test_bert.py"],
    "metrics/rouge.py": ["metrics/test_ngrams.py"],
    "bulk": ["bulk/test_run.py", "bulk/test_outputs.py", "bulk/test_sources.py"],
    "bulk/engine.py": ["cli/test_caption_bulk.py"],
    "model/modeling.py": ["model/test_modeling.py", "model/test_generation.py"],
    "server/batching.py": ["server/test_batching.py", "server/test_waiting.py"],
    "server/jobs.py": ["server/test_batching.py"],
    "server/limits.py": ["server/test_body_limit.py"],
    "server/running.py": ["server/test_limits.py"],
}  # fmt: skip


def sample(count: int, seed: int, only: str) -> list[Mutant]:
    """`count` mutants or a few more, the same number of each area, as far as it has them."""
    every: dict[str, list[Mutant]] = {}
    for area, parts in AREAS.items():
        for part in parts:
            place = ROOT / PACKAGE / part
            for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
                path = file.relative_to(ROOT / PACKAGE).as_posix()
                if (PACKAGE / path).as_posix().startswith(only):
                    every.setdefault(area, []).extend(mutants_of(area, path))
    each = -(-count // max(1, len(every)))
    return [
        mutant
        for some in every.values()
        for mutant in sorted(some, key=lambda mutant: mutant.order(seed))[:each]
    ]


def tests_of(path: str) -> list[str]:
    """The test files for a source file, the mirrored one first."""
    source = Path(path)
    mirrored = source.with_name(f"test_{source.name}").as_posix()
    near = [NEIGHBORS.get(part.as_posix(), []) for part in (source, *source.parents)]
    names = dict.fromkeys([mirrored, *(name for some in near for name in some)])
    found = [f"tests/{name}" for name in names if (ROOT / "tests" / name).is_file()]
    if not found:
        raise SystemExit(f"{path}: no tests; add its neighbors to tests/mutation.py")
    return found


# ---- one mutant in one process ---------------------------------------------------------------


def copy_checkout(tree: Path) -> None:
    """Copies the files of the checkout; the compiled source knows when a file has changed."""
    listed = ["git", "ls-files", "-coz", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(
        b"\0"
    ):
        source = ROOT / os.fsdecode(name)
        if name and source.is_file():
            target = tree / os.fsdecode(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(str(tree / "src"), quiet=1, invalidation_mode=mode)


def fork(tree: Path, output: Path, work: Callable[[], int]) -> int:
    """Starts `work` in a child whose finecaption is the tree's; returns the process id."""
    child = os.fork()
    if child:
        CHILDREN.add(child)
        return child
    code = 70
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(tree)
        own, away = (
            [str(root / "src"), *map(str, sorted(root.glob("packages/*/src")))]
            for root in (tree, ROOT)
        )
        os.environ["PYTHONPATH"] = os.pathsep.join(own)
        away += ["", str(ROOT), str(ROOT / "tests")]
        sys.path[:] = own + [part for part in sys.path if part not in away]
        code = work()
        loaded = sys.modules.get("finecaption")
        if loaded is not None and not str(loaded.__file__).startswith(str(tree)):
            print(f"finecaption was imported from {loaded.__file__}")
            code = 70
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def run_tests(tests: Sequence[str], basetemp: Path, *, write_bytecode: bool) -> int:
    """pytest's exit code."""
    import pytest

    sys.dont_write_bytecode = not write_bytecode
    if sys.dont_write_bytecode:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    options = ["-x", "-q", "-p", "no:cacheprovider", "--tb=line", f"--basetemp={basetemp}"]
    options += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*options, *tests]))


def wait(child: int, limit: float) -> int | None:
    """The child's exit code; None: it took more than `limit` seconds and was killed."""
    end = time.monotonic() + limit
    code = None
    while code is None and time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        else:
            time.sleep(0.02)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # and whatever its tests have started
    if code is None:
        os.waitpid(child, 0)
    CHILDREN.discard(child)
    return code


def end_children(why: str) -> NoReturn:
    """Ends this process and its children."""
    for child in list(CHILDREN):
        wait(child, 0)
    raise SystemExit(why)


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def preload(tree: Path, names: Sequence[str]) -> None:
    """Imports the third-party modules that the tests and `names` of finecaption import."""
    listing = tree / "modules.json"

    def work() -> int:
        run_tests(["--collect-only", *names], tree / "pytest", write_bytecode=True)
        loaded = list(sys.modules.items())  # asking a module for its file may import others
        files = {name: getattr(module, "__file__", None) for name, module in loaded}
        foreign = [name for name, file in files.items() if file and str(tree) not in str(file)]
        listing.write_text(json.dumps(foreign))
        return 0

    wait(fork(tree, tree / "output.txt", work), 600)
    for name in json.loads(listing.read_text()):
        with suppress(Exception):  # some are made by others as they are imported
            importlib.import_module(name)


class Bench:
    """Copies of the checkout, in each of which one mutant at a time is tested."""

    def __init__(self, folder: Path) -> None:
        self.trees = [folder / str(number) for number in range(PROCESSES)]
        copy_checkout(self.trees[0])
        for tree in self.trees[1:]:
            shutil.copytree(self.trees[0], tree)
        self.limits: dict[str, float] = {}
        self.sources: dict[str, bytes] = {}

    def check(self, tests: Sequence[str]) -> None:
        """Runs test files without a fault, one in each tree at a time; sets their time limits.

        Raises:
            SystemExit: they fail.
        """
        waiting = list(tests)
        running: dict[Path, tuple[str, int, float]] = {}
        while waiting or running:
            for tree in self.trees:
                if tree not in running and waiting:
                    name = waiting.pop(0)
                    child = self._start(tree, [name], write_bytecode=True)
                    running[tree] = name, child, time.monotonic()
                elif tree in running and _has_ended(running[tree][1]):
                    name, child, begun = running.pop(tree)
                    code = wait(child, 5)
                    if code != 0:
                        shown = (tree / "output.txt").read_text(errors="replace")
                        end_children(f"{name} fails without a fault ({code})\n{shown}")
                    self.limits[name] = 30 + 4 * (time.monotonic() - begun)
                    print(f"{self.limits[name]:.0f} s at most: {name}", file=sys.stderr, flush=True)
            time.sleep(0.02)

    def run(self, mutants: Sequence[Mutant], tests: Mapping[str, Sequence[str]]) -> list[Mutant]:
        """Tests all, as many at a time as there are trees.

        Args:
            tests: the test files for each source file, all of them checked.
        """
        self.sources = {path: (self.trees[0] / PACKAGE / path).read_bytes() for path in tests}
        waiting, done = list(enumerate(mutants)), dict[int, Mutant]()
        running: dict[Path, tuple[int, int, float]] = {}
        while waiting or running:
            for tree in self.trees:
                if tree not in running and waiting:
                    number, mutant = waiting.pop(0)
                    source = mutated(self.sources[mutant.path], mutant)
                    (tree / PACKAGE / mutant.path).write_bytes(source)
                    child = self._start(tree, tests[mutant.path], write_bytecode=False)
                    running[tree] = (number, child, time.monotonic())
                elif tree in running:
                    number, child, begun = running[tree]
                    limit = sum(self.limits[name] for name in tests[mutants[number].path])
                    late = time.monotonic() - begun > limit
                    if late or _has_ended(child):
                        done[number] = self._outcome(tree, mutants[number], child, late)
                        del running[tree]
                        print(_line(done[number]), file=sys.stderr, flush=True)
            time.sleep(0.02)
        return [done[number] for number in range(len(mutants))]

    def _start(self, tree: Path, tests: Sequence[str], *, write_bytecode: bool) -> int:
        def work() -> int:
            return run_tests(tests, tree / "pytest", write_bytecode=write_bytecode)

        return fork(tree, tree / "output.txt", work)

    def _outcome(self, tree: Path, mutant: Mutant, child: int, late: bool) -> Mutant:
        code = wait(child, 0 if late else 5)
        (tree / PACKAGE / mutant.path).write_bytes(self.sources[mutant.path])
        lines = (tree / "output.txt").read_text(errors="replace").splitlines()
        told = next(
            (line for line in lines if line.startswith(("FAILED", "ERROR"))), f"exit {code}"
        )
        if code is None:
            return replace(mutant, status="hung", detail="the time limit")
        if code == 70:
            end_children("\n".join(lines[-20:]))
        return replace(mutant, status="survived" if code == 0 else "killed", detail=told[:200])


# ---- the report ------------------------------------------------------------------------------


def without_equivalents(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Marks the survivors that mutation_equivalents.toml names."""
    entries = tomllib.loads(EQUIVALENTS.read_text("utf-8"))["mutant"]
    reasons = {
        (entry["path"], entry["before"], entry["after"]): entry["reason"] for entry in entries
    }
    result = []
    for mutant in mutants:
        reason = reasons.get((mutant.path, mutant.before, mutant.after))
        if reason is not None and mutant.status == "survived":
            mutant = replace(mutant, status="equivalent", detail=reason)
        result.append(mutant)
    return result


def report(mutants: Sequence[Mutant]) -> str:
    """A Markdown table by area, and the survivors."""
    lines = [
        "| area | mutants | equivalent | killed | survived | rate |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for area in [*AREAS, "all"]:
        some = Counter(each.status for each in mutants if area in (each.area, "all"))
        killed, counted = some["killed"] + some["hung"], some.total() - some["equivalent"]
        if counted:
            lines.append(
                f"| {area} | {some.total()} | {some['equivalent']} | {killed} "
                f"| {some['survived']} | {100 * killed / counted:.1f} % |"
            )
    left = [_line(each) for each in mutants if each.status == "survived"]
    return "\n".join([*lines, "", *(["Survivors:", "", *left] if left else [])])


def _line(mutant: Mutant) -> str:
    place = f"{PACKAGE / mutant.path}:{mutant.line}"
    return f"- {mutant.status}: {place}: `{mutant.before}` -> `{mutant.after}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="Random seed for sampling.")
    parser.add_argument("--count", type=int, default=150, help="Mutants of all areas together.")
    parser.add_argument("--only", default="", help="Only files below this path.")
    parser.add_argument("--again", type=Path, help="Only the survivors of this --json file.")
    parser.add_argument("--json", type=Path, help="Where to write all mutants.")
    options = parser.parse_args()
    os.nice(5)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end_children("stopped"))
    # as in tests/conftest.py, but before torch is imported here
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    os.environ.update(threads, TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
    mutants = sample(options.count, options.seed, options.only)
    if options.again:
        old = {
            (each["path"], each["where"], each["before"], each["after"])
            for each in json.loads(options.again.read_text("utf-8"))
            if each["status"] == "survived"
        }
        mutants = [
            each for each in mutants if (each.path, each.where, each.before, each.after) in old
        ]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        tests = {mutant.path: tests_of(mutant.path) for mutant in mutants}
        names = sorted({name for some in tests.values() for name in some})
        preload(bench.trees[0], names)
        bench.check(names)
        found = without_equivalents(bench.run(mutants, tests))
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
    print(report(found))


if __name__ == "__main__":
    main()
