"""The works that are measured: the requests of each, and what a right answer looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from lxml import etree

from bench.data import DEEP, FEW, MANY, PASSWORD, POOL, SHOP, TEMPLATE, Loaded
from soap_service.domain.requests import LARGEST_PAGE, MOST_VOUCHERS
from soap_service.soap.envelope import ENVELOPE_11

FIRST_PAGE = "codes_first"
BARE = "bare"


class WrongAnswer(Exception):
    """The service did not answer what the work asks for: nothing may be concluded from its speed."""


@dataclass(frozen=True)
class Work:
    """One kind of call.

    `expected` is an element of the answer and how often it must be there, or what its text must be. `against`
    is the key of the work it is compared with, or BARE; `issues` the vouchers that each call adds to
    `charge`. `aim` is the highest ratio wanted, None where none was set.
    """

    key: str
    title: str
    requests: tuple[str, ...]
    expected: tuple[str, int | str]
    against: str = BARE
    aim: float | None = None
    charge: str = ""
    issues: int = 0
    store: Literal["postgresql", "sqlite"] = "postgresql"

    def check(self, answer: bytes) -> None:
        """Raise WrongAnswer unless `answer` is what the work asks for."""
        name, wanted = self.expected
        texts = texts_of(answer, name)
        found = "".join(texts) if isinstance(wanted, str) else len(set(texts))
        if found != wanted or (isinstance(wanted, int) and len(texts) != wanted):
            raise WrongAnswer(f"{self.key}: {name} is {found}, not {wanted}: {answer[:600].decode()}")


def texts_of(answer: bytes, name: str) -> list[str]:
    """The texts of the elements `name` in an answer; raises WrongAnswer for a fault."""
    body = etree.fromstring(answer)
    if body.find(".//{*}Fault") is not None:
        raise WrongAnswer(answer[:600].decode())
    return [element.text or "" for element in body.iter(name)]


def call(operation: str, **fields: str | int) -> str:
    """A request of the benchmark's shop, on one line."""
    inside = {"ShopID": SHOP, "Password": PASSWORD, **fields}
    texts = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in inside.items())
    envelope = ENVELOPE_11.wrap(f"<ns:{operation}><request>{texts}</request></ns:{operation}>")
    return envelope.decode().replace("\n", "")


def charge_info(charge: str) -> str:
    """The request for the number of vouchers in a charge."""
    return call("GetVoucherChargeInfo", ChargeId=charge)


def works(loaded: Loaded) -> list[Work]:
    """Everything that is measured, in the order in which a round runs it."""
    create_1 = (call("CreateVouchers", VoucherCount=1, ChargeId=TEMPLATE, CreateCharge="false"),)
    create_1000 = (call("CreateVouchers", VoucherCount=MOST_VOUCHERS, ChargeId=TEMPLATE, CreateCharge="false"),)
    draw_1 = (call("CreateVouchers", VoucherCount=1, ChargeId=POOL, Pool="true"),)
    page = ("Num", LARGEST_PAGE)
    code = "VoucherNumber"
    many = f"{loaded.many:,}".replace(",", " ")
    return [
        Work("create_1", "CreateVouchers 1", create_1, (code, 1), aim=4, charge=TEMPLATE, issues=1),
        Work(
            "create_1000",
            "CreateVouchers 1000",
            create_1000,
            (code, MOST_VOUCHERS),
            aim=8,
            charge=TEMPLATE,
            issues=MOST_VOUCHERS,
        ),
        Work("codes_1000", "GetVoucherCodes, a page of 1000", (_page(FEW),), page, aim=4),
        Work(FIRST_PAGE, f"GetVoucherCodes, first page of {many}", (_page(MANY),), page, against="codes_1000"),
        Work(
            "codes_deep",
            f"GetVoucherCodes, page behind {DEEP:.0%} of {many}",
            (_page(MANY, loaded.deep_token),),
            page,
            against=FIRST_PAGE,
            aim=1.2,
        ),
        Work(
            "codes_anywhere",
            f"GetVoucherCodes, some page of {many}, another one every call",
            tuple(_page(MANY, token) for token in loaded.tokens),
            page,
            against=FIRST_PAGE,
        ),
        Work("charge_info", "GetVoucherChargeInfo", (charge_info(MANY),), ("VoucherCount", str(loaded.many))),
        Work("pool_draw_1", "CreateVouchers 1 from a pool", draw_1, (code, 1), charge=POOL, issues=1),
        Work(
            "create_1_sqlite",
            "CreateVouchers 1 on SQLite",
            create_1,
            (code, 1),
            charge=TEMPLATE,
            issues=1,
            against="create_1",
            store="sqlite",
        ),
    ]


def _page(charge: str, token: str | None = None) -> str:
    fields = {} if token is None else {"NextPageToken": token}
    return call("GetVoucherCodes", ChargeId=charge, PageSize=LARGEST_PAGE, **fields)
