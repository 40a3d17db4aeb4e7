"""A till's day with suds: every operation of the voucher service, and how its answers are read.

Prints a line per check: `ok <check>` or `FAIL <check> <why>`.
"""

# [first-call]
import os
import re
import secrets
import ssl
import sys
import time
import urllib.request
from decimal import Decimal
from importlib.metadata import version

from suds import WebFault
from suds.client import Client
from suds.transport.http import HttpTransport

# Whom to trust; without cafile, the authorities that the system trusts.
context = ssl.create_default_context(cafile=os.environ["CV_CA"])
transport = HttpTransport(timeout=60)
transport.urlopener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
# With its usual cache suds would keep the WSDL, and the address in it, for a day.
client = Client(os.environ["CV_WSDL"], transport=transport, cache=None)
service = client.service

LOGIN = {"ShopID": "TestShop", "Password": "geheim"}


def create(**fields):
    """Create vouchers: the terms they got, and their codes. What is not among the fields comes from the charge."""
    return service.CreateVouchers({**LOGIN, **fields})


def codes_of(answer):
    return answer.VoucherNumbers.VoucherNumber


# [/first-call]


# [retry]
def create_safely(key, **fields):
    """Create vouchers once, however often it takes to ask. Store the key with the order before the first call."""
    for pause in (1, 2, 4, 8):
        try:
            return create_with_key(key, **fields)
        except WebFault as fault:
            if not fault.fault.faultstring.startswith("ES005"):  # any other fault stays the same
                raise
        except Exception as error:
            # No answer, or a proxy's, which suds has no class for: nobody knows whether there are vouchers now.
            print("asking again after:", repr(error), file=sys.stderr)
        time.sleep(pause)
    return create_with_key(key, **fields)


def create_with_key(key, **fields):
    client.set_options(headers={"Idempotency-Key": key})  # for all calls from now on
    try:
        return create(**fields)
    finally:
        client.set_options(headers={})


# [/retry]


# [faults]
def fault_of(operation, **fields):
    """The text of the fault that the call ends with. It begins with the code; `.detail` may name the field."""
    try:
        operation({**LOGIN, **fields})
    except WebFault as fault:
        return fault.fault.faultstring
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
    same(has(every["OhneVorlage"], "Amount"), False)


def list_charges(**fields):
    found = service.GetVoucherCharges({**LOGIN, **fields}).ChargeList
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
    same(fault_of(service.CreateVouchers, **fields), "ES018 ChargeId existiert bereits")


def sentinels():
    # suds can leave fields out, so these are for data that has them already.
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
    text = fault_of(service.CreateVouchers, ChargeId=POOL, Pool=True, VoucherCount=1)
    same(text, "ES024 Ungenügende Zahl von Gutscheinen im Pool (1)")


def pool_count():
    return service.GetVoucherPoolInfo({**LOGIN, "ChargeId": POOL}).VoucherCount


# [absent]
def has(answer, field):
    """Whether an optional field was sent: suds leaves out the attribute of one that was not."""
    return field in answer


# [/absent]


# [paging]
def pages(charge_id):
    """Every page of a charge's vouchers."""
    token = None  # a field that is None is not sent
    while True:
        page = service.GetVoucherCodes({**LOGIN, "ChargeId": charge_id, "NextPageToken": token})
        yield page
        if page.LastPage:
            return
        token = page.NextPageToken


def codes_on(page):
    # suds reads a list without entries as "".
    return [voucher.Num for voucher in page.VoucherList.VoucherData] if page.VoucherList else []


# [/paging]


def paging():
    found = list(pages("Seiten"))
    lists = [codes_on(page) for page in found]
    same([len(codes) for codes in lists], [1000, 1000, 500])
    same(len({code for codes in lists for code in codes}), 2500)
    same([page.LastPage for page in found], [False, False, True])
    same([bool(page.NextPageToken) for page in found], [True, True, False])
    same(found[-1].NextPageToken, None)  # sent as an empty element, which suds reads as None


def pool_info():
    same(seen["stock"], 3)
    same(pool_count(), 0)


def charge_info():
    pages_info = service.GetVoucherChargeInfo({**LOGIN, "ChargeId": "Seiten"})
    same((pages_info.VoucherCount, pages_info.HasTemplate), (2500, True))
    new_info = service.GetVoucherChargeInfo({**LOGIN, "ChargeId": NEW})
    same((new_info.VoucherCount, new_info.HasTemplate), (3, False))


def umlauts():
    answer = create(ChargeId="Frühling €", VoucherCount=1, MsgID="Grüße: 5 €")
    same(answer.MsgID, "Grüße: 5 €")
    same(answer.Subshop, "Köln €")
    same(answer.Amount, Decimal("7.50"))


def absent():
    answer = seen["first"]
    same([has(answer, field) for field in ("ValidFrom", "CustomerFilter", "MsgID")], [False] * 3)


def wrong_password():
    text = fault_of(service.CreateVouchers, Password="falsch", ChargeId="Vorlage", VoucherCount=1)
    same(text, "ES002 Ungültige ShopID oder ungültiges Passwort")


def missing_count():
    same(fault_of(service.CreateVouchers, ChargeId="Vorlage"), "ES009 Fehlendes Pflichtfeld VoucherCount")


def unknown_charge():
    text = fault_of(service.CreateVouchers, ChargeId="Gibt es nicht", VoucherCount=1)
    same(text, "ES019 ChargeId existiert nicht")


def empty_pool():
    text = fault_of(service.CreateVouchers, ChargeId=POOL, Pool=True, VoucherCount=2)
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
    print("version", version("suds-community"))
    for name, check in CHECKS.items():
        try:
            check()
            print("ok", name)
        except Exception as error:
            print("FAIL", name, " ".join(f"{type(error).__name__}: {error}".split()))
