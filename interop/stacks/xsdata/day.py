"""A till's day with stubs by xsdata: every operation of the voucher service, and how its answers are read.

Prints a line per check: `ok <check>` or `FAIL <check> <why>`.
"""

# [first-call]
import dataclasses
import functools
import os
import re
import secrets
import time
from decimal import Decimal
from importlib.metadata import version
from xml.etree import ElementTree

import requests
import vouchers  # generated
from xsdata.formats.dataclass.client import Client, Config
from xsdata.formats.dataclass.transports import DefaultTransport


# [transport]
class ServiceFault(Exception):
    """The service refused; the text begins with the code."""


class FaultTransport(DefaultTransport):
    """Makes exceptions of faults. Generated ones cannot be parsed when their detail has elements, as in ES009."""

    @classmethod
    def handle_response(cls, response):
        if response.status_code == 500 and "xml" in response.headers["Content-Type"]:
            raise ServiceFault(ElementTree.fromstring(response.content).findtext(".//faultstring"))
        response.raise_for_status()
        return response.content


# [/transport]

session = requests.Session()
session.verify = os.environ["CV_CA"]  # whom to trust; without it requests trusts the public authorities
transport = FaultTransport(timeout=60, session=session)  # DefaultTransport waits two seconds

LOGIN = {"shop_id": "TestShop", "password": "geheim"}


@functools.cache
def client_for(port):
    # The stubs keep the address that the WSDL had then; this one can be changed without generating them anew.
    return Client(Config.from_service(port, location=os.environ["CV_URL"], encoding="utf-8"), transport)


def call(port, message, headers=None):
    """Send a wrapper, such as CreateVouchers, to the port generated for it, and return what the response holds."""
    (place,) = dataclasses.fields(port.input.Body)
    envelope = port.input(body=port.input.Body(**{place.name: message}))
    answer = client_for(port).send(envelope, headers)
    return getattr(answer.body, f"{place.name}_response").response


def create(headers=None, **fields):
    """Create vouchers: the terms they got, and their codes. What is not among the fields comes from the charge."""
    request = vouchers.CreateVouchersRequestData(**{**LOGIN, **fields})
    message = vouchers.CreateVouchers(request=request)
    return call(vouchers.CreatevouchersPortTypeCreateVouchers, message, headers)


def codes_of(answer):
    return answer.voucher_numbers.voucher_number


# [/first-call]


# [retry]
def create_safely(key, **fields):
    """Create vouchers once, however often it takes to ask. Store the key with the order before the first call."""
    headers = {"Idempotency-Key": key}
    for pause in (1, 2, 4, 8):
        try:
            return create(headers, **fields)
        except ServiceFault as fault:
            if not str(fault).startswith("ES005"):  # any other fault stays the same
                raise
        except requests.RequestException:
            pass  # no answer, or a proxy's: nobody knows whether there are vouchers now
        time.sleep(pause)
    return create(headers, **fields)


# [/retry]


# [faults]
def fault_of(**fields):
    """The text of the fault that creating vouchers ends with. It begins with the code."""
    try:
        create(**fields)
    except ServiceFault as fault:
        return str(fault)
    raise AssertionError("no fault came")


# [/faults]

STACK = os.environ["CV_STACK"]
POOL, NEW = f"Pool-{STACK}", f"Neu-{STACK}"

seen = {}  # what a later check wants to know


def charges():
    templates = list_charges()
    same(templates["Vorlage"].amount, Decimal("10.00"))
    same(templates["Vorlage"].currency, "EUR")
    same("OhneVorlage" in templates, False)
    every = list_charges(charge_type="all")
    same("Vorlage" in every, True)
    same(every["OhneVorlage"].amount, None)


def list_charges(**fields):
    request = vouchers.GetVoucherChargesRequestData(**LOGIN, **fields)
    message = vouchers.GetVoucherCharges(request=request)
    answer = call(vouchers.CreatevouchersPortTypeGetVoucherCharges, message)
    return {charge.charge_id: charge for charge in answer.charge_list.charge_data}


def create_1():
    answer = seen["first"] = create(charge_id="Vorlage", voucher_count=1)
    (code,) = codes_of(answer)
    same(bool(re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", code)), True)
    same_as_template(answer)


def same_as_template(answer):
    same(answer.amount, Decimal("10.00"))
    same(answer.amount_type, 0)
    same(answer.currency, "EUR")
    same(answer.min_order_value, Decimal("50.00"))
    same(answer.subshop, "B2c,B2B")
    same(answer.type_value, 0)
    same(answer.type2, 1)
    same(answer.vatindex, -1)


def create_2():
    key = secrets.token_hex(16)
    codes = codes_of(create_safely(key, charge_id="Vorlage", voucher_count=2))
    same(len(set(codes)), 2)
    # As if the first answer had been lost: the same codes, not two more.
    same(codes_of(create_safely(key, charge_id="Vorlage", voucher_count=2)), codes)


def create_1000():
    codes = codes_of(create(charge_id="Vorlage", voucher_count=1000))
    same(len(codes), 1000)
    same(len(set(codes)), 1000)


def override():
    terms = {
        "amount": Decimal("25.50"),
        "min_order_value": Decimal("99.90"),
        "subshop": "B2c",
        "type_value": 1,
        "type2": 2,
        "valid_from": "2030-01-01",
        "valid_until": "2030-12-31",
        "vatindex": 2,
    }
    answer = create(charge_id="Vorlage", voucher_count=1, **terms)
    same({field: getattr(answer, field) for field in terms}, terms)
    same(len(codes_of(answer)), 1)


def create_charge():
    fields = {
        "charge_id": NEW,
        "create_charge": True,
        "voucher_count": 3,
        "amount": Decimal("5.00"),
        "charge_descr": "Sommerfest, 5 € für jeden",
    }
    answer = create(**fields)
    same(len(set(codes_of(answer))), 3)
    same(answer.amount, Decimal("5.00"))
    same(fault_of(**fields), "ES018 ChargeId existiert bereits")


def sentinels():
    # xsdata can leave fields out, so these are for data that has them already.
    answer = create(
        charge_id="Vorlage",
        voucher_count=1,
        subshop="$ChargeVal$",
        currency="$ChargeVal$",
        type_value=-999999999,
        amount=Decimal(-999999999),
        min_order_value=Decimal(-999999999),
    )
    same_as_template(answer)


def pool():
    seen["stock"] = pool_count()
    drawn = []
    for _ in range(3):
        answer = create(charge_id=POOL, pool=True, voucher_count=1)
        same(answer.amount, Decimal("15.00"))
        drawn += codes_of(answer)
    same(drawn, [f"{STACK}-1", f"{STACK}-2", f"{STACK}-3"])
    text = fault_of(charge_id=POOL, pool=True, voucher_count=1)
    same(text, "ES024 Ungenügende Zahl von Gutscheinen im Pool (1)")


def pool_count():
    request = vouchers.GetVoucherPoolInfoRequestData(**LOGIN, charge_id=POOL)
    message = vouchers.GetVoucherPoolInfo(request=request)
    return call(vouchers.CreatevouchersPortTypeGetVoucherPoolInfo, message).voucher_count


# [paging]
def pages(charge_id):
    """Every page of a charge's vouchers."""
    token = None  # a field that is None is not sent
    while True:
        request = vouchers.GetVoucherCodesRequestData(**LOGIN, charge_id=charge_id, next_page_token=token)
        message = vouchers.GetVoucherCodes(request=request)
        page = call(vouchers.CreatevouchersPortTypeGetVoucherCodes, message)
        yield page
        if page.last_page:
            return
        token = page.next_page_token


# [/paging]


def paging():
    found = list(pages("Seiten"))
    lists = [[voucher.num for voucher in page.voucher_list.voucher_data] for page in found]
    same([len(codes) for codes in lists], [1000, 1000, 500])
    same(len({code for codes in lists for code in codes}), 2500)
    same([page.last_page for page in found], [False, False, True])
    same([bool(page.next_page_token) for page in found], [True, True, False])
    same(found[-1].next_page_token, "")


def pool_info():
    same(seen["stock"], 3)
    same(pool_count(), 0)


def charge_info():
    pages_info = info_of("Seiten")
    same((pages_info.voucher_count, pages_info.has_template), (2500, True))
    new_info = info_of(NEW)
    same((new_info.voucher_count, new_info.has_template), (3, False))


def info_of(charge_id):
    request = vouchers.GetVoucherChargeInfoRequestData(**LOGIN, charge_id=charge_id)
    message = vouchers.GetVoucherChargeInfo(request=request)
    return call(vouchers.CreatevouchersPortTypeGetVoucherChargeInfo, message)


def umlauts():
    answer = create(charge_id="Frühling €", voucher_count=1, msg_id="Grüße: 5 €")
    same(answer.msg_id, "Grüße: 5 €")
    same(answer.subshop, "Köln €")
    same(answer.amount, Decimal("7.50"))


def absent():
    answer = seen["first"]
    same((answer.valid_from, answer.customer_filter, answer.msg_id), (None, None, None))


def wrong_password():
    text = fault_of(password="falsch", charge_id="Vorlage", voucher_count=1)
    same(text, "ES002 Ungültige ShopID oder ungültiges Passwort")


def missing_count():
    same(fault_of(charge_id="Vorlage"), "ES009 Fehlendes Pflichtfeld VoucherCount")


def unknown_charge():
    text = fault_of(charge_id="Gibt es nicht", voucher_count=1)
    same(text, "ES019 ChargeId existiert nicht")


def empty_pool():
    text = fault_of(charge_id=POOL, pool=True, voucher_count=2)
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
    print("version", version("xsdata"))
    for name, check in CHECKS.items():
        try:
            check()
            print("ok", name)
        except Exception as error:
            print("FAIL", name, " ".join(f"{type(error).__name__}: {error}".split()))
