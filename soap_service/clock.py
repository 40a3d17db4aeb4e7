"""Time: read here and handed down, never taken deep inside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

# Gives the present instant, aware, in UTC.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The system's clock in UTC."""
    return datetime.now(UTC)
