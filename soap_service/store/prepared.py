"""The fast path for statements that every call runs: compiled once, run on the driver's own cursor.

SQLAlchemy's execution costs twice what the driver's does for a statement with one small row. The statements
stay written in SQLAlchemy's terms; types are converted by the same processors, and errors become the same
exceptions. A test holds both ways equal on both databases. Everything that is not hot uses
`Connection.execute`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, exc
from sqlalchemy.sql.compiler import SQLCompiler

_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    order: tuple[str, ...] | None  # for drivers that take parameters by position
    constants: dict[str, Any]  # values written into the statement itself
    into: dict[str, _Convert]
    out_of: list[tuple[int, _Convert]]


class Prepared:
    """One statement without expanding parameters, for any dialect."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of the result; raises what `connection.execute` would raise."""
        cursor = self._run(connection, parameters)
        try:
            found: list[tuple[Any, ...]] = cursor.fetchall()
        finally:
            cursor.close()
        out_of = self._compiled[connection.dialect.name].out_of
        return [_converted(row, out_of) for row in found] if out_of else found

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.rows(connection, parameters)
        return rows[0] if rows else None

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> None:
        """Execute a statement that returns nothing."""
        self._run(connection, parameters).close()

    def _run(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self.statement, dialect)
        values: Any = {**compiled.constants, **parameters}
        for name, convert in compiled.into.items():
            values[name] = convert(values[name])
        if compiled.order is not None:
            values = [values[name] for name in compiled.order]
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        try:
            cursor.execute(compiled.text, values)
        except dialect.loaded_dbapi.Error as error:
            cursor.close()
            raise exc.DBAPIError.instance(
                compiled.text,
                None,
                error,
                dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=dialect.is_disconnect(error, driver, None),
                dialect=dialect,
            ) from error
        return cursor


def _converted(row: tuple[Any, ...], out_of: list[tuple[int, _Convert]]) -> tuple[Any, ...]:
    values = list(row)
    for index, convert in out_of:
        values[index] = convert(values[index])
    return tuple(values)


def _compile(statement: Executable, dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    assert isinstance(compiled, SQLCompiler)
    into: dict[str, _Convert] = {
        name: convert
        for name, parameter in compiled.binds.items()
        if (convert := parameter.type.dialect_impl(dialect).bind_processor(dialect)) is not None
    }
    columns = getattr(statement, "selected_columns", ())
    out_of = [
        (index, convert)
        for index, column in enumerate(columns)
        if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
    ]
    return _Compiled(
        text=compiled.string,
        order=tuple(compiled.positiontup) if compiled.positiontup is not None else None,
        constants={name: value for name, value in compiled.params.items() if value is not None},
        into=into,
        out_of=out_of,
    )
