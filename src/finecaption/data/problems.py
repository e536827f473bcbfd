"""What is wrong in a dataset, record by record, and what to do about it: stop, or leave it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from finecaption.errors import InputError

Policy: TypeAlias = Literal["raise", "skip"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

# "RegionSample.mask: is empty" -> field "mask"; a field may be a path such as entities[2].mask
_FIELD = re.compile(
    r"(?:Region(?:Sample)?\.)?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[[^\]]*\])*): (.+)", re.S
)


@dataclass(frozen=True)
class Problem:
    """One thing that cannot be used, and where it is."""

    file: str
    record: str
    """Place in the file: `line 12`, `[3].entities[0]`, a key; empty: the file as a whole."""
    field: str
    """Name of the wrong field; empty: the record as a whole."""
    what: str
    """What is wrong and what to do."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.record, self.field, self.what) if part)

    def to_dict(self) -> dict[str, str]:
        """A flat object for JSON."""
        return {"file": self.file, "record": self.record, "field": self.field, "what": self.what}

    @classmethod
    def of(cls, error: InputError, file: object, record: str) -> Problem:
        """From an error; the field is what the message begins with, if it begins with one."""
        found = _FIELD.fullmatch(str(error))
        field, what = found.groups() if found else ("", str(error))
        return cls(str(file), record, field, what)


class ProblemError(InputError):
    """A problem in a dataset that was to stop at the first one."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:  # crosses process borders whole
        return type(self), (self.problem,)


class Problems:
    """Meets errors by a policy: "raise" stops at the first, "skip" notes it and goes on."""

    def __init__(self, policy: Policy = "raise") -> None:
        if policy not in POLICIES:
            raise InputError(f"problems: must be one of {', '.join(POLICIES)}; got {policy!r}")
        self.policy = policy
        self.found: list[Problem] = []

    def report(self, problem: Problem) -> None:
        """Raises ProblemError, or notes the problem, by the policy."""
        if self.policy == "raise":
            raise ProblemError(problem)
        self.found.append(problem)

    @contextmanager
    def at(self, file: object, record: str = "") -> Iterator[None]:
        """A part that is left out as a whole where it raises InputError inside.

        A ProblemError passes: its place is known already.
        """
        try:
            yield
        except ProblemError:
            raise
        except InputError as error:
            self.report(Problem.of(error, file, record))
