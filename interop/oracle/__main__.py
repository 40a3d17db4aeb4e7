"""`python -m interop.oracle`: the replay corpus against a gSOAP server made from the WSDL.

Prints every request that it takes otherwise than this service does, and exits with 1 when one of them is not
explained in differences.toml and docs/decisions.md, or something explained is no longer so.
"""

from __future__ import annotations

import sys
from collections import Counter

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from interop.oracle import compare, replay, server
from interop.oracle.compare import Difference, Explanation
from tests.support.corpus import all_cases

_LONGEST = 60


def main() -> int:
    """Build, replay, compare."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 190)
    cases = all_cases()
    try:
        program = server.build()
        with server.running(program) as port:
            heard = replay.replay(cases, port)
    except server.OracleTrouble as trouble:
        console.print(str(trouble), markup=False)
        return 1
    found = compare.differences(cases, heard)
    explained = compare.explanations()
    _show(found, explained, console)
    kinds = Counter(difference.kind for difference in found)
    console.print(
        f"{len(cases)} requests: {len(cases) - len(found)} taken alike; "
        + ", ".join(f"{kinds[kind]} gSOAP {kind}" for kind in compare.Kind)
    )
    wrong = compare.problems(found, explained)
    wrong += compare.undocumented(explained, compare.DECISIONS.read_text(encoding="utf-8"))
    for line in wrong:
        console.print(line, markup=False)
    return 1 if wrong else 0


def _show(found: list[Difference], explained: list[Explanation], console: Console) -> None:
    titles = {(case, one.kind): one.title for one in explained for case in one.cases}
    table = Table("request", "gSOAP", "there", "here", "because", title="Differences")
    for one in found:
        title = titles.get((one.case, one.kind), "NOT EXPLAINED")
        texts = (one.case, one.kind, one.theirs, one.ours, title)
        table.add_row(*(escape(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…") for text in texts))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
