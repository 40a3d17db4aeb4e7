"""The pool import for tests: one call, and what is in the store afterwards."""

from __future__ import annotations

import io
from typing import Any

from sqlalchemy import func, select

from soap_service.domain.shops import Shop
from soap_service.domain.terms import to_wire
from soap_service.operations.house import House
from soap_service.operations.import_pool import Imported, Options, Refusal, import_pool
from soap_service.operations.pool_file import FileFormat
from soap_service.operations.show_vouchers import pool_lanes
from soap_service.store.engine import Store
from soap_service.store.tables import metadata, pool_code


class Run:
    """One import and the lines it refused."""

    def __init__(self, result: Imported, refusals: list[Refusal]) -> None:
        self.result = result
        self.refusals = refusals

    @property
    def reasons(self) -> dict[int, str]:
        """Line number -> why it was refused."""
        return {refusal.line: refusal.reason for refusal in self.refusals}


def run(house: House, shop: Shop, content: str | bytes, charge: str = "Pool", **options: Any) -> Run:
    """Import a file into a charge; the options are those of FileFormat and Options."""
    form = {
        name: options.pop(name)
        for name in ("delimiter", "encoding", "header", "ignore_unknown")
        if name in options
    }
    data = content.encode() if isinstance(content, str) else content
    refusals: list[Refusal] = []
    result = import_pool(
        house,
        shop,
        charge,
        io.BytesIO(data),
        Options(FileFormat(**form), **options),
        report=lambda found: refusals.extend(found),
    )
    assert len(refusals) == result.refused
    return Run(result, refusals)


def stock(house: House, shop: Shop, charge: str = "Pool") -> list[tuple[int, dict[str, str]]]:
    """How many codes wait, and their terms as on the wire, lane by lane."""
    return [(lane.available, to_wire(lane.terms)) for lane in pool_lanes(house, shop, charge)]


def codes_in_order(house: House) -> list[tuple[int, int, str]]:
    """(lane, number, code) of all stock, in the order of drawing."""
    with house.store.read() as connection:
        rows = connection.execute(
            select(pool_code.c.lane_id, pool_code.c.seq, pool_code.c.code).order_by(
                pool_code.c.lane_id, pool_code.c.seq
            )
        )
        return [tuple(row) for row in rows]


def contents(store: Store) -> dict[str, int]:
    """How many rows every table has."""
    with store.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }
