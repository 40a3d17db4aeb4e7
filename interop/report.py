"""The outcomes, for the terminal and for docs/integrators/README.md."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from interop.checks import CHECKS
from interop.pages import PAGES, title
from interop.runner import Outcome

INDEX = PAGES / "README.md"
BEGIN, END = "<!-- matrix: begin (written by make interop) -->", "<!-- matrix: end -->"

_LAST_LINES = 20


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the table, stack by check, and behind it every hole with the end of the stack's log."""
    table = Table(title="Stack by check", title_justify="left", padding=0)
    table.add_column("stack", no_wrap=True)
    for check in CHECKS:
        table.add_column(check, justify="center", overflow="fold")
    for outcome in outcomes:
        passed = outcome.verdict.passed
        cells = (Text("ok", "green") if check in passed else Text("HOLE", "bold red") for check in CHECKS)
        table.add_row(outcome.stack, *cells)
    console.print(table)
    for outcome in outcomes:
        for hole in outcome.verdict.holes:
            console.print(f"{outcome.stack}: {hole.where}: {hole.why}", markup=False, highlight=False)
        if outcome.verdict.holes:
            console.print(f"{outcome.stack}: the end of {outcome.log_file}", markup=False, highlight=False)
            for line in outcome.log_file.read_text(errors="replace").splitlines()[-_LAST_LINES:]:
                console.print(f"    {line}", markup=False, highlight=False)


def require_markers() -> None:
    """Raise ValueError unless the index has the place for the matrix; better before the run than after."""
    page = INDEX.read_text()
    if not 0 <= page.find(BEGIN) < page.find(END):
        raise ValueError(f"{INDEX} has no lines {BEGIN!r} and {END!r}")


def write(outcomes: Sequence[Outcome]) -> None:
    """Put the matrix between the two markers of the index."""
    page = INDEX.read_text()
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    INDEX.write_text("\n".join([f"{before}{BEGIN}", "", *matrix(outcomes), "", f"{END}{after}"]))


def matrix(outcomes: Sequence[Outcome]) -> list[str]:
    """The lines of the matrix in Markdown: a row per stack, a tick per check passed."""
    lines = [_row(["stack", "version", *CHECKS]), _row(["---", "---", *([":-:"] * len(CHECKS))])]
    for outcome in outcomes:
        page = PAGES / f"{outcome.stack}.md"
        ticks = ("✓" if check in outcome.verdict.passed else "✗" for check in CHECKS)
        lines.append(_row([f"[{title(page)}]({page.name})", outcome.verdict.version or "–", *ticks]))
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
