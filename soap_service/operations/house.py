"""What every operation needs: the store, the clock, the maker of codes, the check of passwords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from soap_service.clock import Clock, utc_now
from soap_service.domain.codes import CodeMaker
from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.operations.passwords import Passwords
from soap_service.store.engine import Store


@dataclass(frozen=True)
class House:
    """The parts that operations work with, put together once by the composition root."""

    store: Store
    clock: Clock = utc_now
    make_codes: Callable[[int], list[str]] = field(default_factory=CodeMaker)
    passwords: Passwords = field(default_factory=Passwords)


def unavailable() -> VoucherFault:
    """ES005: the service cannot answer now; nothing was changed."""
    return VoucherFault(FaultCode.UNAVAILABLE)
