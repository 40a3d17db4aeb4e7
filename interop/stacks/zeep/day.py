"""A till's day with zeep: every operation of the voucher service, and how its answers are read.

Prints a line per check: `ok <check>` or `FAIL <check> <why>`.
"""

# [first-call]
import os
import re
import secrets
import time
from decimal import Decimal
from importlib.metadata import version

import requests
from zeep import Client
from zeep.exceptions import Fault, TransportError
from zeep.transports import Transport

session = requests.Session()
session.verify = os.environ["CV_CA"]  # whom to trust; without it zeep trusts the public authorities
client = Client(os.environ["CV_WSDL"], transport=Transport(session=session, operation_timeout=60))

LOGIN = {"ShopID": "TestShop", "Password": "geheim"}


def call(operation, **fields):
    # The type refuses a misspelt field. A dictionary would do, but what zeep does not know in it is dropped.
    request = client.get_type(f"{{http://www.websale.de/}}{operation}RequestData")
    return client.service[operation](request(**{**LOGIN, **fields}))


def create(**fields):
    """Create vouchers: the terms they got, and their codes. What is not among the fields comes from the charge."""
    return call("CreateVouchers", **fields)


def codes_of(answer):
    return answer.VoucherNumbers.VoucherNumber


# [/first-call]


# [retry]
def create_safely(key, **fields):
    """Create vouchers once, however often it takes to ask. Store the key with the order before the first call."""
    for pause in (1, 2, 4, 8):
        try:
            return create_with_key(key, **fields)
        except Fault as fault:
            # zeep also takes a proxy's page for a fault. Of the service's own, all but ES005 stay the same.
            if fault.message.startswith("ES") and not fault.message.startswith("ES005"):
                raise
        except (requests.RequestException, TransportError):
            pass  # no answer: nobody knows whether there are vouchers now
        time.sleep(pause)
    return create_with_key(key, **fields)


def create_with_key(key, **fields):
    with client.settings(extra_http_headers={"Idempotency-Key": key}):
        return create(**fields)


# [/retry]


# [faults]
def fault_of(operation, **fields):
    """The text of the fault that the call ends with. It begins with the code; `.detail` may name the field."""
    try:
        call(operation, **fields)
    except Fault as fault:
        return fault.message
    raise AssertionError("no fault came")


# [/faults]

STACK = os.environ["CV_STACK"]
POOL, NEW = f"Pool-{STACK}", f"Neu-{STACK}"

seen = {}  # what a later check wants to know


def charges():
    templates = list_charges()
    same(templates["Vorlage"].Amount, Decimal("10.00"))
    same(templates["Vorlage"].Currency, "EUR")
    same("OhneVorlage" in templates, False)
    every = list_charges(ChargeType="all")
    same("Vorlage" in every, True)
    same(every["OhneVorlage"].Amount, None)


def list_charges(**fields):
    found = call("GetVoucherCharges", **fields).ChargeList
    return {charge.ChargeId: charge for charge in (found.ChargeData if found else [])}


def create_1():
    answer = seen["first"] = create(ChargeId="Vorlage", VoucherCount=1)
    (code,) = codes_of(answer)
    same(bool(re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", code)), True)
    same_as_template(answer)


def same_as_template(answer):
    same(answer.Amount, Decimal("10.00"))
    same(answer.AmountType, 0)
    same(answer.Currency, "EUR")
    same(answer.MinOrderValue, Decimal("50.00"))
    same(answer.Subshop, "B2c,B2B")
    same(answer.Type, 0)
    same(answer.Type2, 1)
    same(answer.VATIndex, -1)


def create_2():
    key = secrets.token_hex(16)
    codes = codes_of(create_safely(key, ChargeId="Vorlage", VoucherCount=2))
    same(len(set(codes)), 2)
    # As if the first answer had been lost: the same codes, not two more.
    same(codes_of(create_safely(key, ChargeId="Vorlage", VoucherCount=2)), codes)


def create_1000():
    codes = codes_of(create(ChargeId="Vorlage", VoucherCount=1000))
    same(len(codes), 1000)
    same(len(set(codes)), 1000)


def override():
    terms = {
        "Amount": Decimal("25.50"),
        "MinOrderValue": Decimal("99.90"),
        "Subshop": "B2c",
        "Type": 1,
        "Type2": 2,
        "ValidFrom": "2030-01-01",
        "ValidUntil": "2030-12-31",
        "VATIndex": 2,
    }
    answer = create(ChargeId="Vorlage", VoucherCount=1, **terms)
    same({field: answer[field] for field in terms}, terms)
    same(len(codes_of(answer)), 1)


def create_charge():
    fields = {
        "ChargeId": NEW,
        "CreateCharge": True,
        "VoucherCount": 3,
        "Amount": Decimal("5.00"),
        "ChargeDescr": "Sommerfest, 5 € für jeden",
    }
    answer = create(**fields)
    same(len(set(codes_of(answer))), 3)
    same(answer.Amount, Decimal("5.00"))
    same(fault_of("CreateVouchers", **fields), "ES018 ChargeId existiert bereits")


def sentinels():
    # zeep can leave fields out, so these are for data that has them already.
    answer = create(
        ChargeId="Vorlage",
        VoucherCount=1,
        Subshop="$ChargeVal$",
        Currency="$ChargeVal$",
        Type=-999999999,
        Amount=Decimal(-999999999),
        MinOrderValue=Decimal(-999999999),
    )
    same_as_template(answer)


def pool():
    seen["stock"] = pool_count()
    drawn = []
    for _ in range(3):
        answer = create(ChargeId=POOL, Pool=True, VoucherCount=1)
        same(answer.Amount, Decimal("15.00"))
        drawn += codes_of(answer)
    same(drawn, [f"{STACK}-1", f"{STACK}-2", f"{STACK}-3"])
    text = fault_of("CreateVouchers", ChargeId=POOL, Pool=True, VoucherCount=1)
    same(text, "ES024 Ungenügende Zahl von Gutscheinen im Pool (1)")


def pool_count():
    return call("GetVoucherPoolInfo", ChargeId=POOL).VoucherCount


# [paging]
def pages(charge_id):
    """Every page of a charge's vouchers."""
    token = None  # a field that is None is not sent
    while True:
        page = call("GetVoucherCodes", ChargeId=charge_id, NextPageToken=token)
        yield page
        if page.LastPage:
            return
        token = page.NextPageToken


def codes_on(page):
    # zeep reads a list without entries as None.
    return [voucher.Num for voucher in page.VoucherList.VoucherData] if page.VoucherList else []


# [/paging]


def paging():
    found = list(pages("Seiten"))
    lists = [codes_on(page) for page in found]
    same([len(codes) for codes in lists], [1000, 1000, 500])
    same(len({code for codes in lists for code in codes}), 2500)
    same([page.LastPage for page in found], [False, False, True])
    same([bool(page.NextPageToken) for page in found], [True, True, False])
    same(found[-1].NextPageToken, None)  # sent as an empty element, which zeep reads as None


def pool_info():
    same(seen["stock"], 3)
    same(pool_count(), 0)


def charge_info():
    pages_info = call("GetVoucherChargeInfo", ChargeId="Seiten")
    same((pages_info.VoucherCount, pages_info.HasTemplate), (2500, True))
    new_info = call("GetVoucherChargeInfo", ChargeId=NEW)
    same((new_info.VoucherCount, new_info.HasTemplate), (3, False))


def umlauts():
    answer = create(ChargeId="Frühling €", VoucherCount=1, MsgID="Grüße: 5 €")
    same(answer.MsgID, "Grüße: 5 €")
    same(answer.Subshop, "Köln €")
    same(answer.Amount, Decimal("7.50"))


def absent():
    answer = seen["first"]
    same((answer.ValidFrom, answer.CustomerFilter, answer.MsgID), (None, None, None))


def wrong_password():
    text = fault_of("CreateVouchers", Password="falsch", ChargeId="Vorlage", VoucherCount=1)
    same(text, "ES002 Ungültige ShopID oder ungültiges Passwort")


def missing_count():
    same(fault_of("CreateVouchers", ChargeId="Vorlage"), "ES009 Fehlendes Pflichtfeld VoucherCount")


def unknown_charge():
    text = fault_of("CreateVouchers", ChargeId="Gibt es nicht", VoucherCount=1)
    same(text, "ES019 ChargeId existiert nicht")


def empty_pool():
    text = fault_of("CreateVouchers", ChargeId=POOL, Pool=True, VoucherCount=2)
    same(text, "ES024 Ungenügende Zahl von Gutscheinen im Pool (2)")


CHECKS = {
    "charges": charges,
    "create-1": create_1,
    "create-2": create_2,
    "create-1000": create_1000,
    "override": override,
    "create-charge": create_charge,
    "sentinels": sentinels,
    "pool": pool,
    "paging": paging,
    "pool-info": pool_info,
    "charge-info": charge_info,
    "umlauts": umlauts,
    "absent": absent,
    "ES002": wrong_password,
    "ES009": missing_count,
    "ES019": unknown_charge,
    "ES024": empty_pool,
}


def same(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} instead of {expected!r}")


if __name__ == "__main__":
    print("version", version("zeep"))
    for name, check in CHECKS.items():
        try:
            check()
            print("ok", name)
        except Exception as error:
            print("FAIL", name, " ".join(f"{type(error).__name__}: {error}".split()))
