"""The shop: tenant of everything in the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

REQUIRED_VERSION = 8
VAT_STANDARD = -1
VAT_NONE = 0


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop's settings. `name` is the ShopID of the wire, `shop_id` the key inside the store."""

    shop_id: int
    name: str
    currency: str
    time_zone: str
    subshops: tuple[str, ...]
    vat_ids: tuple[int, ...]
    version: int = REQUIRED_VERSION
    enabled: bool = True

    def today(self, now: datetime) -> date:
        """The calendar day in the shop's time zone at the instant `now` (aware)."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def allows_vat_index(self, index: int) -> bool:
        """-1 (standard), 0 (none) or one of the shop's (interface documentation, field VATIndex)."""
        return index in (VAT_STANDARD, VAT_NONE) or index in self.vat_ids
