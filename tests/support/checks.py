"""What tests of the rules assert with: a refusal, an outcome, a store in which nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.store.engine import Store
from soap_service.store.tables import metadata

Contents = dict[str, list[tuple[Any, ...]]]


@contextmanager
def refused(code: str, field: str | None = None) -> Iterator[None]:
    """The block must raise the fault `code` (as `ES021`), about `field` if one is given."""
    with pytest.raises(VoucherFault) as caught:
        yield
    assert caught.value.code == FaultCode(code), str(caught.value)
    if field is not None:
        assert caught.value.field == field


def outcome(call: Callable[[], Any]) -> Any:
    """What the call returns, or the fault that it raises; other exceptions go through."""
    try:
        return call()
    except VoucherFault as fault:
        return fault


def contents(store: Store) -> Contents:
    """Every row of every table."""
    with store.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


@contextmanager
def unchanged(store: Store, *, but: tuple[str, ...] = ()) -> Iterator[None]:
    """The block must leave every row of every table as it was, tables named by `but` excepted."""
    before = contents(store)
    yield
    after = contents(store)
    for name in before.keys() - set(but):
        assert after[name] == before[name], f"table {name} changed"
