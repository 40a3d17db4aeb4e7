"""What a voucher allows at redemption, and its projection onto the wire's `Type` 0-7.

Source: interface documentation, field Type; one table, read in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """Flags of redemption.

    `keep_surplus`: what is left after a redemption stays usable. `multiple_customer`: one code for many
    customers (Universalgutschein). `binds_customer`: the first customer who redeems it becomes its owner.
    `max_uses` and `max_uses_per_customer`: None is unlimited.
    """

    keep_surplus: bool = False
    multiple_customer: bool = False
    new_customers_only: bool = False
    existing_customers_only: bool = False
    binds_customer: bool = False
    app_only: bool = False
    free_shipping: bool = False
    max_uses: int | None = None
    max_uses_per_customer: int | None = None


BY_TYPE: dict[int, Kind] = {
    0: Kind(keep_surplus=True),
    1: Kind(),
    2: Kind(multiple_customer=True),
    3: Kind(multiple_customer=True, max_uses_per_customer=1),
    4: Kind(multiple_customer=True, new_customers_only=True, max_uses_per_customer=1),
    5: Kind(keep_surplus=True, new_customers_only=True),
    6: Kind(new_customers_only=True),
    7: Kind(keep_surplus=True, binds_customer=True),
}
_EXACT = {kind: number for number, kind in BY_TYPE.items()}


def kind_of(number: int) -> Kind:
    """The flags of a wire `Type`; KeyError outside 0-7."""
    return BY_TYPE[number]


def type_of(kind: Kind) -> int:
    """The wire `Type` that comes closest: exact for the eight kinds SOAP can say, else by the flags it knows."""
    exact = _EXACT.get(kind)
    if exact is not None:
        return exact
    if kind.binds_customer:
        return 7
    if kind.multiple_customer:
        if kind.new_customers_only:
            return 4
        return 3 if kind.max_uses_per_customer == 1 else 2
    if kind.new_customers_only:
        return 5 if kind.keep_surplus else 6
    return 0 if kind.keep_surplus else 1
