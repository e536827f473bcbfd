"""Small faults in the source, made with `ast`: the mutants of tests/mutation.py.

There are none in docstrings, annotations, f-strings, decorators, assertions, what is raised or
logged, and `if TYPE_CHECKING`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/finecaption")
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
SWAPPED = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
LOGGERS = {"log", "logger", "logging", "warnings"}


@dataclass(frozen=True)
class Mutant:
    """The source with one fault, and what became of it."""

    area: str
    path: str
    """Below src/finecaption."""
    line: int
    where: str
    """Qualified name of the class or function."""
    kind: str
    before: str
    after: str
    start: int
    end: int
    """Bytes of the file that `text` replaces."""
    text: str
    status: str = ""
    """killed, hung, survived or equivalent."""
    detail: str = ""
    """The test that failed, or the reason why it is equivalent."""

    def order(self, seed: int) -> bytes:
        """The place in the sample, which changes elsewhere in the source do not move."""
        key = (seed, self.path, self.where, self.kind, self.before, self.after)
        return hashlib.sha256(repr(key).encode()).digest()


# ---- the mutants of a file -------------------------------------------------------------------


def variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """All faults of one node, as (kind, the node with the fault)."""
    if isinstance(node, ast.Compare):
        for place, operation in enumerate(node.ops):
            other: list[ast.cmpop] = list(node.ops)
            other[place] = COMPARISONS[type(operation)]()
            yield "comparison", ast.Compare(node.left, other, node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        if not any(map(_is_text, (node.left, node.right))):
            yield "operator", ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        if not _is_text(node.value):
            changed = OPERATORS[type(node.op)]()
            yield "operator", ast.AugAssign(node.target, changed, node.value)
    elif isinstance(node, ast.BoolOp):
        joined = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and/or", ast.BoolOp(joined, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", node.operand
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield "bool", ast.Constant(not node.value)
        elif isinstance(node.value, int | float):
            yield "constant", ast.Constant(node.value + 1)
    elif isinstance(node, ast.Return):
        if not (node.value is None or _is_none(node.value)):
            yield "return", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Expr):
        if isinstance(node.value, ast.Call):
            yield "dropped call", ast.Pass()
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
            swapped: ast.expr = ast.Name(SWAPPED[node.func.id], ast.Load())
            yield "min/max", ast.Call(swapped, node.args, node.keywords)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in SWAPPED:
            swapped = ast.Attribute(node.func.value, SWAPPED[node.func.attr], ast.Load())
            yield "min/max", ast.Call(swapped, node.args, node.keywords)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_text(node: ast.AST) -> bool:
    constant = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return constant or isinstance(node, ast.JoinedStr)


def _reaches(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node in which faults are made: no annotations, texts of errors or logs."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id in LOGGERS:
            return
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Error", "Warning")):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue  # zip's own assertion
            if isinstance(child, ast.AST):
                yield child


def mutants_of(area: str, path: str) -> list[Mutant]:
    """All mutants of a file below src/finecaption."""
    source = (ROOT / PACKAGE / path).read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found: list[Mutant] = []

    def visit(node: ast.AST, where: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            where = f"{where}.{node.name}" if where else node.name
        inner = list(_reaches(node))
        if inner or not isinstance(node, ast.Call | ast.Raise | ast.Assert):
            logs = isinstance(node, ast.Expr) and not list(_reaches(node.value))
            for kind, changed in () if logs else variants(node):
                found.append(made(node, kind, changed, where))
        for child in inner:
            visit(child, where)

    def made(node: ast.AST, kind: str, changed: ast.AST, where: str) -> Mutant:
        at = node  # statements and expressions have positions
        first, last = at.lineno - 1, at.end_lineno  # type: ignore[attr-defined]
        start = starts[first] + at.col_offset  # type: ignore[attr-defined]
        end = starts[last - 1] + at.end_col_offset  # type: ignore[attr-defined]
        text = ast.unparse(changed)
        around = (starts[first], starts[last])
        shown = [
            " ".join((source[around[0] : start] + part + source[end : around[1]]).decode().split())
            for part in (source[start:end], text.encode())
        ]
        return Mutant(area, path, first + 1, where, kind, shown[0], shown[1], start, end, text)

    visit(ast.parse(source), "")
    return found


def mutated(source: bytes, mutant: Mutant) -> bytes:
    """The source with the fault; in parentheses where it would be read otherwise."""
    before, after = source[: mutant.start], source[mutant.end :]
    plain = before + mutant.text.encode() + after
    if mutant.kind in ("return", "dropped call") or "=" in mutant.text.split("==")[0]:
        return plain
    safe = before + b"(" + mutant.text.encode() + b")" + after
    with suppress(SyntaxError):
        if ast.dump(ast.parse(plain)) == ast.dump(ast.parse(safe)):
            return plain
    return safe
