"""What every stack has to show, and how its program's lines are read (interop/README.md, "The checks")."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Every check, in the order in which a program does them; interop/README.md says what each one is.
CHECKS = (
    "charges",
    "create-1",
    "create-2",
    "create-1000",
    "override",
    "create-charge",
    "sentinels",
    "pool",
    "paging",
    "pool-info",
    "charge-info",
    "umlauts",
    "absent",
    "ES002",
    "ES009",
    "ES019",
    "ES024",
)

_LINE = re.compile(r"(ok|FAIL) (\S+)(?: (.*))?")


@dataclass(frozen=True)
class Hole:
    """A place where a stack does not do what it should: a check or a step, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """What a program's output says: the stack's version, the checks it passed, and everything that is missing."""

    version: str
    passed: frozenset[str]
    holes: tuple[Hole, ...]


def read(output: str) -> Verdict:
    """Read the standard output of a program.

    A check is passed by exactly one line `ok <check>`. Holes are checks that failed, have no line or several,
    lines about checks that there are not, and a wrong order. Other lines are the program's own business.
    """
    version = ""
    said: dict[str, list[str | None]] = {}  # by check, None for ok, else why not
    holes = []
    for line in output.splitlines():
        if not said and not version and line.startswith("version "):
            version = line.removeprefix("version ").strip()
        elif match := _LINE.fullmatch(line.rstrip()):
            verdict, check, why = match.groups()
            said.setdefault(check, []).append(None if verdict == "ok" else why or "failed without saying why")
    for check in CHECKS:
        match said.get(check, []):
            case [None]:
                pass
            case []:
                holes.append(Hole(check, "the program printed no line"))
            case [str(why)]:
                holes.append(Hole(check, why))
            case lines:
                holes.append(Hole(check, f"the program printed {len(lines)} lines"))
    holes += [Hole(check, "there is no such check") for check in said if check not in CHECKS]
    known = [check for check in said if check in CHECKS]
    if known != sorted(known, key=CHECKS.index):
        holes.append(Hole("order", f"the checks came as {', '.join(known)}"))
    passed = frozenset(check for check, lines in said.items() if lines == [None] and check in CHECKS)
    return Verdict(version, passed, tuple(holes))
