"""Manage shops: add, look up, change, disable, set the password."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from soap_service.domain.money import CURRENCIES
from soap_service.domain.shops import REQUIRED_VERSION, Shop
from soap_service.operations.house import House
from soap_service.operations.refusal import Refused, check_name
from soap_service.store import charges, shops, stock, terms

_Value = TypeVar("_Value", str, int)

LARGEST_VAT_ID = 2**31 - 1
LONGEST_PASSWORD = 255


@dataclass(frozen=True, slots=True)
class ShopChanges:
    """What to change of a shop; None or empty leaves it as it is."""

    currency: str | None = None
    time_zone: str | None = None
    version: int | None = None
    enabled: bool | None = None
    add_subshops: Sequence[str] = ()
    remove_subshops: Sequence[str] = ()
    add_vat_ids: Sequence[int] = ()
    remove_vat_ids: Sequence[int] = ()


def add_shop(
    house: House,
    name: str,
    password: str,
    *,
    currency: str,
    time_zone: str,
    subshops: Sequence[str] = (),
    vat_ids: Sequence[int] = (),
    version: int = REQUIRED_VERSION,
) -> Shop:
    """A new shop. Raises Refused when the ShopID is taken or a setting is not allowed."""
    settings: dict[str, Any] = {
        "name": check_name("ShopID", name),
        "currency": _check_currency(currency),
        "time_zone": _check_time_zone(time_zone),
        "subshops": _distinct(_check_subshop(subshop) for subshop in subshops),
        "vat_ids": _distinct(_check_vat_id(vat_id) for vat_id in vat_ids),
        "version": version,
    }
    password_hash = house.passwords.hash(check_password(password))
    with house.store.write() as transaction:
        if not shops.add(transaction, settings, password_hash, house.clock()):
            raise Refused(f"a shop {name} exists already")
        record = shops.find(transaction, name)
    assert record is not None
    return record.shop


def get_shop(house: House, name: str) -> Shop:
    """The shop with this ShopID, enabled or not; Refused when there is none."""
    with house.store.read() as connection:
        record = shops.find(connection, name)
    if record is None:
        raise Refused(f"there is no shop {name}")
    return record.shop


def list_shops(house: House) -> list[Shop]:
    """Every shop, by ShopID."""
    with house.store.read() as connection:
        return [record.shop for record in shops.list_all(connection)]


def change_shop(house: House, name: str, changes: ShopChanges) -> Shop:
    """The shop with the changes made.

    Raises Refused for an unknown shop, a setting that is not allowed, a subshop or VAT id to remove that the
    shop does not have, or that a registration voucher, a template or pool stock still names.
    """
    shop = get_shop(house, name)
    values: dict[str, Any] = {}
    if changes.currency is not None:
        values["currency"] = _check_currency(changes.currency)
    if changes.time_zone is not None:
        values["time_zone"] = _check_time_zone(changes.time_zone)
    if changes.enabled is not None:
        values["enabled"] = changes.enabled
    if changes.version is not None:
        values["version"] = changes.version
    add_subshops = [_check_subshop(subshop) for subshop in changes.add_subshops]
    add_vat_ids = [_check_vat_id(vat_id) for vat_id in changes.add_vat_ids]
    with house.store.write() as transaction:
        record = shops.find(transaction, name)
        assert record is not None  # shops are never deleted
        shop = record.shop
        if add_subshops or changes.remove_subshops:
            rest = _without("subshop", shop.subshops, changes.remove_subshops)
            values["subshops"] = _distinct((*rest, *add_subshops))
        if add_vat_ids or changes.remove_vat_ids:
            rest_ids = _without("VAT id", shop.vat_ids, changes.remove_vat_ids)
            values["vat_ids"] = _distinct((*rest_ids, *add_vat_ids))
        if changes.remove_subshops or changes.remove_vat_ids:
            _refuse_in_use(house, transaction, shop.shop_id, changes)
        if values:
            shops.change(transaction, shop.shop_id, values)
    return get_shop(house, name)


def set_password(house: House, name: str, password: str) -> None:
    """Replace the password of a shop at once. Raises Refused."""
    shop = get_shop(house, name)
    password_hash = house.passwords.hash(check_password(password))
    with house.store.write() as transaction:
        shops.change(transaction, shop.shop_id, {"password_hash": password_hash})


def has_password(house: House, name: str, password: str) -> bool:
    """Whether there is an enabled shop of this name with this password."""
    with house.store.read() as connection:
        record = shops.find(connection, name)
    return (
        record is not None and record.shop.enabled and house.passwords.verify(name, record.password_hash, password)
    )


def check_password(password: str) -> str:
    """A password that a caller can send in XML: 1 to 255 printable characters. Else Refused."""
    if not 1 <= len(password) <= LONGEST_PASSWORD or not password.isprintable() or password != password.strip():
        raise Refused(
            f"password: expected 1 to {LONGEST_PASSWORD} printable characters without blanks around them"
        )
    return password


def _check_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise Refused("currency: expected an ISO 4217 code such as EUR")
    return code


def _check_time_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        raise Refused("time zone: expected an IANA name such as Europe/Berlin") from None


def _check_subshop(name: str) -> str:
    if "," in name:  # the wire lists subshops with commas
        raise Refused("subshop: expected a name without a comma")
    return check_name("subshop", name)


def _check_vat_id(vat_id: int) -> int:
    if not 1 <= vat_id <= LARGEST_VAT_ID:
        raise Refused(f"VAT id: expected 1 to {LARGEST_VAT_ID} (-1 and 0 always exist)")
    return vat_id


def _distinct(values: Iterable[_Value]) -> tuple[_Value, ...]:
    return tuple(dict.fromkeys(values))


def _without(what: str, present: Sequence[_Value], removed: Sequence[_Value]) -> list[_Value]:
    for value in removed:
        if value not in present:
            raise Refused(f"the shop has no {what} {value}")
    return [value for value in present if value not in removed]


def _refuse_in_use(house: House, transaction: Connection, shop_id: int, changes: ShopChanges) -> None:
    """Refuse to remove what vouchers to come would still name."""
    live = charges.list_all(transaction, shop_id, templates_only=False)
    ids = {charge.terms_id for charge in live if charge.has_template and charge.terms_id is not None}
    for charge in live:
        if charge.subscribe_subshop in changes.remove_subshops:
            raise Refused(
                f"subshop {charge.subscribe_subshop} has the registration voucher {charge.name}: remove that first"
            )
    known = terms.load(house.store, transaction, shop_id, ids | stock.terms_in_stock(transaction, shop_id))
    for used in known.values():
        for subshop in changes.remove_subshops:
            if subshop in used.subshops:
                raise Refused(f"subshop {subshop} is named by a template or by pool stock: change that first")
        if used.vat_index in changes.remove_vat_ids:
            raise Refused(f"VAT id {used.vat_index} is named by a template or by pool stock: change that first")
