"""What commands print: tables for people, or one JSON value for programs; progress goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from soap_service.cli.errors import visible
from soap_service.domain.terms import Terms, to_wire

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

_WIDE = 100_000


class Output:
    """Standard output of one command. Keys are snake_case; people see them as headings."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def rows(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, none: str) -> None:
        """A list of things, of which people see `columns`; `none` is what they see of an empty one."""
        if self.as_json:
            write_json(rows)
            return
        if not rows:
            note(none)
            return
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in columns:
            table.add_column(_heading(column), overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row[column]) for column in columns))
        _console().print(table)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """One thing, all about it."""
        if self.as_json:
            write_json(facts)
            return
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in facts.items():
            table.add_row(_heading(name), _cell(value))
        _console().print(table)

    def done(self, sentence: str, facts: Mapping[str, Any]) -> None:
        """What was done: a sentence for people, facts for programs."""
        if self.as_json:
            write_json(facts)
        else:
            print(visible(sentence))

    @contextmanager
    def progress(self, what: str, total: int | None) -> Iterator[ProgressBar]:
        """A bar on stderr while the block works, if somebody is there to see it."""
        silent = self.as_json or not sys.stderr.isatty()
        columns = [
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        ]
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as progress:
            task = progress.add_task(what, total=total, said="")
            yield ProgressBar(progress, task)


class ProgressBar:
    """A bar that is shown, or not."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task

    def at(self, done: int, said: str, what: str | None = None) -> None:
        """Move the bar to `done`, with a word on what was done and, when that changes, on what goes on."""
        changes: dict[str, Any] = {"completed": done, "said": said}
        if what is not None:
            changes["description"] = what
        self._progress.update(self._task, **changes)


def write_json(value: Any) -> None:
    """One JSON value on stdout: instants as ISO 8601 with Z, money as text, terms as on the wire."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=2))


def json_line(value: Any) -> str:
    """One JSON value on one line."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def note(message: str) -> None:
    """A remark for people on stderr."""
    print(visible(message), file=sys.stderr)


def instant(value: datetime) -> str:
    """ISO 8601 in UTC with Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, Terms):
        return to_wire(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal | date):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _heading(key: str) -> str:
    return key.replace("_", " ") if key.islower() else key


def _cell(value: Any) -> Text:
    return Text(visible(_words(value)))


def _words(value: Any) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Terms):
        return "  ".join(f"{name}={text}" for name, text in to_wire(value).items())
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _console() -> Console:
    # A pipe has no width: whoever reads it wants whole lines.
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, markup=False)
