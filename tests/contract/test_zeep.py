"""A client made from the served WSDL alone, by zeep, over TLS: every operation, every fault it can cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import requests
import zeep
from lxml import etree
from zeep.exceptions import Fault
from zeep.transports import Transport

from soap_service.domain.faults import TEXTS, FaultCode
from tests.support.server import Served
from tests.support.soap import SOAP_11, TNS
from tests.support.world import PAGED_CODES, PASSWORD, SHOP, WRONG_PASSWORD, tally

Client = Callable[..., Any]


@pytest.fixture(scope="module")
def transports() -> Iterator[dict[str, zeep.Client]]:
    """The clients made so far, by URL: the WSDL is read once per server."""
    clients: dict[str, zeep.Client] = {}
    yield clients
    for client in clients.values():
        client.transport.session.close()


@pytest.fixture
def client(served: Served, transports: dict[str, zeep.Client]) -> zeep.Client:
    """A client of the running server, from its own WSDL, that trusts the authority of the tests."""
    url = served.server.url
    if url not in transports:
        session = requests.Session()
        session.verify = str(served.server.authority.ca_file)
        session.trust_env = False
        transports[url] = zeep.Client(f"{url}?wsdl", transport=Transport(session=session))
    return transports[url]


@pytest.fixture
def call(client: zeep.Client) -> Client:
    """`call("CreateVouchers", ChargeId="x")` with TestShop's ShopID and Password unless they are given."""

    def call(operation: str, _soapheaders: Any = None, **fields: Any) -> Any:
        request = {"ShopID": SHOP, "Password": PASSWORD} | fields
        return client.service[operation](request=request, _soapheaders=_soapheaders)

    return call


def field_of(fault: Fault) -> str | None:
    """The field that a fault's detail names."""
    return None if fault.detail is None else fault.detail.findtext(f".//{{{TNS}}}Field")


class TestOperations:
    def test_the_address_is_the_one_that_was_called(self, served: Served, client: zeep.Client) -> None:
        assert client.service._binding_options["address"] == served.server.url

    def test_create_vouchers(self, call: Client, served: Served) -> None:
        before = tally(served.store)
        fields = {"MsgID": "Kasse 7 €", "VoucherCount": 2, "ChargeId": "TestCharge", "Amount": Decimal("12.5")}
        created = call("CreateVouchers", **fields)
        assert (created.MsgID, created.Amount, created.AmountType) == ("Kasse 7 €", Decimal("12.50"), 0)
        assert isinstance(created.Amount, Decimal)
        assert isinstance(created.AmountType, int)
        assert (created.Currency, created.Subshop, created.Type, created.Type2) == ("EUR", "B2c,B2B", 0, 1)
        assert created.VATIndex == -1
        assert created.MinOrderValue is created.ValidFrom is created.CustomerFilter is None
        assert len(set(created.VoucherNumbers.VoucherNumber)) == 2
        assert tally(served.store)["vouchers"] == before["vouchers"] + 2

    def test_a_thousand_vouchers(self, call: Client) -> None:
        created = call("CreateVouchers", VoucherCount=1000, ChargeId="TestCharge")
        assert len(set(created.VoucherNumbers.VoucherNumber)) == 1000

    def test_percent_with_filters(self, call: Client) -> None:
        fields = {"VoucherCount": 1, "ChargeId": "Prozent", "CatProdFilter": "<pn>Öl &amp; Essig</pn>"}
        created = call("CreateVouchers", **fields)
        assert (created.Amount, created.AmountType) == (Decimal("12.50"), 1)
        assert created.MinOrderValue == Decimal("49.90")
        assert (created.ValidFrom, created.ValidUntil) == ("2026-07-01", "2026-12-31")
        assert created.CustomerFilter == "<n>K 1 &amp; &lt;2&gt;</n><n>Müller€</n>"
        assert created.CatProdFilter == "<pn>Öl &amp; Essig</pn>"
        assert created.CatProdFilterSetBehavior == 1

    def test_several_currencies(self, call: Client) -> None:
        created = call(
            "CreateVouchers", VoucherCount=1, ChargeId="TestCharge", AmountMultiCurrency="EUR=10 CHF=11.5"
        )
        assert (created.Amount, created.AmountMultiCurrency) == (None, "EUR:10.00;CHF:11.50")

    def test_special_values(self, call: Client) -> None:
        created = call(
            "CreateVouchers",
            VoucherCount=1,
            ChargeId="TestCharge",
            Amount=Decimal("-999999999"),
            Type=-999999999,
            Subshop="$ChargeVal$",
        )
        assert (created.Amount, created.Type, created.Subshop) == (Decimal("10.00"), 0, "B2c,B2B")

    def test_registration_voucher(self, call: Client) -> None:
        created = call("CreateVouchers", VoucherCount=1, SubscribeVoucher=True, SubscribeSubshopID="B2c")
        assert created.Amount == Decimal("5.00")
        assert created.ValidUntil is not None

    def test_pool(self, call: Client) -> None:
        before = call("GetVoucherPoolInfo", ChargeId="PoolCharge", SubShopValidity="B2c").VoucherCount
        created = call("CreateVouchers", VoucherCount=1, ChargeId="PoolCharge", Pool=True, SubShopValidity="B2c")
        assert [number[:4] for number in created.VoucherNumbers.VoucherNumber] == ["POOL"]
        assert call("GetVoucherPoolInfo", ChargeId="PoolCharge", SubShopValidity="B2c").VoucherCount == before - 1

    def test_new_charge(self, call: Client) -> None:
        name = f"Neu {uuid4()}"
        created = call(
            "CreateVouchers", VoucherCount=3, ChargeId=name, CreateCharge=True, Amount=7, ChargeLabel="L"
        )
        facts = call("GetVoucherChargeInfo", ChargeId=name)
        assert (facts.VoucherCount, facts.HasTemplate) == (3, False)
        listed = call("GetVoucherCodes", ChargeId=name).VoucherList.VoucherData
        assert [voucher.Num for voucher in listed] == sorted(created.VoucherNumbers.VoucherNumber)
        assert {(voucher.Amount, voucher.ChargeLabel) for voucher in listed} == {(Decimal("7.00"), "L")}

    def test_charges(self, call: Client) -> None:
        templates = {charge.ChargeId: charge for charge in call("GetVoucherCharges").ChargeList.ChargeData}
        assert {"TestCharge", "Prozent", "Währungen", "Anmeldung-B2c"} <= set(templates)
        assert not {"NoTemplate", "PoolCharge", "testid3"} & set(templates)
        assert list(templates) == sorted(templates, key=str.encode)
        registration = templates["Anmeldung-B2c"]
        assert (registration.SubscribeSubshopID, registration.ValidUntilDays) == ("B2c", 30)
        assert isinstance(registration.Amount, Decimal)
        everything = call("GetVoucherCharges", ChargeType="all").ChargeList.ChargeData
        assert {"NoTemplate", "PoolCharge", "testid3"} <= {charge.ChargeId for charge in everything}

    def test_no_charges(self, call: Client) -> None:
        # An empty element; zeep makes None of one without children.
        assert call("GetVoucherCharges", ShopID="LeerShop").ChargeList is None

    def test_pages_as_in_the_documentation(self, call: Client) -> None:
        seen, token, last = [], None, []
        for _ in range(3):
            page = call("GetVoucherCodes", ChargeId="testid3", PageSize=2, NextPageToken=token)
            seen.append([voucher.Num for voucher in page.VoucherList.VoucherData])
            last.append(page.LastPage)
            token = page.NextPageToken
        assert seen == [PAGED_CODES[:2], PAGED_CODES[2:4], PAGED_CODES[4:]]
        assert last == [False, False, True]
        assert not token

    def test_no_codes(self, call: Client) -> None:
        page = call("GetVoucherCodes", ChargeId="NoTemplate")
        assert (page.VoucherList, page.LastPage) == (None, True)

    def test_pool_and_charge_info(self, call: Client) -> None:
        assert call("GetVoucherPoolInfo", ChargeId="TestCharge").VoucherCount == 0
        facts = call("GetVoucherChargeInfo", MsgID="m", ChargeId="testid3")
        assert (facts.MsgID, facts.VoucherCount, facts.HasTemplate) == ("m", 5, False)
        assert isinstance(facts.HasTemplate, bool)


def _token(call: Client, charge: str) -> str:
    token: str = call("GetVoucherCodes", ChargeId=charge, PageSize=1).NextPageToken
    return token


CREATE: dict[str, Any] = {"VoucherCount": 1, "ChargeId": "TestCharge"}
# What the client does, and the fault and field that it must get.
FAULTS: list[tuple[str, dict[str, Any], FaultCode, str | None]] = [
    ("GetVoucherCharges", {"Password": None}, FaultCode.CREDENTIALS_MISSING, None),
    ("GetVoucherCodes", {"ShopID": ""}, FaultCode.CREDENTIALS_MISSING, None),
    ("GetVoucherCharges", {"Password": WRONG_PASSWORD}, FaultCode.CREDENTIALS_INVALID, None),
    ("GetVoucherCharges", {"ShopID": "KeinShop"}, FaultCode.CREDENTIALS_INVALID, None),
    ("GetVoucherCharges", {"ShopID": "ZuShop"}, FaultCode.CREDENTIALS_INVALID, None),
    ("GetVoucherChargeInfo", {"ShopID": "AlterShop"}, FaultCode.WRONG_SHOP_VERSION, None),
    ("CreateVouchers", {"ChargeId": "TestCharge"}, FaultCode.FIELD_MISSING, "VoucherCount"),
    ("CreateVouchers", {"VoucherCount": 1}, FaultCode.FIELD_MISSING, "ChargeId"),
    (
        "CreateVouchers",
        {"VoucherCount": 1, "SubscribeVoucher": True},
        FaultCode.FIELD_MISSING,
        "SubscribeSubshopID",
    ),
    (
        "CreateVouchers",
        {"VoucherCount": 1, "ChargeId": "Ohne", "CreateCharge": True},
        FaultCode.FIELD_MISSING,
        "Amount",
    ),
    ("CreateVouchers", CREATE | {"Amount": Decimal("NaN")}, FaultCode.BAD_FORMAT, "Amount"),
    ("CreateVouchers", CREATE | {"ValidUntil": "31.12.2026"}, FaultCode.BAD_FORMAT, "ValidUntil"),
    ("CreateVouchers", CREATE | {"MsgID": "x" * 300_000}, FaultCode.BAD_REQUEST, None),
    ("CreateVouchers", CREATE | {"VoucherCount": 1001}, FaultCode.TOO_MANY_VOUCHERS, "VoucherCount"),
    ("CreateVouchers", CREATE | {"CreateCharge": True, "Amount": 1}, FaultCode.CHARGE_EXISTS, None),
    ("CreateVouchers", CREATE | {"ChargeId": "Keine"}, FaultCode.CHARGE_UNKNOWN, None),
    ("CreateVouchers", CREATE | {"ChargeId": "Keine", "Pool": True}, FaultCode.CHARGE_UNKNOWN, None),
    ("CreateVouchers", CREATE | {"ChargeId": "NoTemplate"}, FaultCode.NO_TEMPLATE, None),
    ("CreateVouchers", CREATE | {"Type": 8}, FaultCode.BAD_VALUE, "Type"),
    ("CreateVouchers", CREATE | {"Subshop": "B2c,B2X"}, FaultCode.BAD_VALUE, "Subshop"),
    ("GetVoucherCharges", {"ChargeType": "some"}, FaultCode.BAD_VALUE, "ChargeType"),
    ("GetVoucherCodes", {"ChargeId": "testid3", "PageSize": -1}, FaultCode.BAD_VALUE, "PageSize"),
    (
        "CreateVouchers",
        CREATE | {"SubscribeVoucher": True, "SubscribeSubshopID": "B2B"},
        FaultCode.NO_REGISTRATION_VOUCHER,
        None,
    ),
    ("CreateVouchers", CREATE | {"Pool": True, "CreateCharge": True}, FaultCode.POOL_EXCLUDES, "Pool"),
    (
        "CreateVouchers",
        CREATE | {"ChargeId": "PoolCharge", "Pool": True, "VoucherCount": 26},
        FaultCode.POOL_EXHAUSTED,
        None,
    ),
    ("GetVoucherCodes", {"ChargeId": "testid3", "NextPageToken": "?"}, FaultCode.TOKEN_NOT_PARSED, None),
    ("GetVoucherCodes", {"ChargeId": "Keine"}, FaultCode.LISTED_CHARGE_UNKNOWN, None),
    ("GetVoucherPoolInfo", {"ChargeId": "Keine"}, FaultCode.LISTED_CHARGE_UNKNOWN, None),
    ("GetVoucherChargeInfo", {"ChargeId": "Keine"}, FaultCode.LISTED_CHARGE_UNKNOWN, None),
    ("GetVoucherCodes", {}, FaultCode.LISTED_CHARGE_MISSING, None),
    ("GetVoucherPoolInfo", {}, FaultCode.LISTED_CHARGE_MISSING, None),
    ("GetVoucherChargeInfo", {"ChargeId": ""}, FaultCode.LISTED_CHARGE_MISSING, None),
]
# Elsewhere: the store away (tests/contract/test_outage.py); a code no token can hold (golden files only).
NOT_BY_A_CLIENT = {FaultCode.UNAVAILABLE, FaultCode.TOKEN_NOT_CREATED}


class TestFaults:
    @pytest.mark.parametrize(
        ("operation", "fields", "code", "field"),
        [pytest.param(*row, id=f"{row[2]}-{number}") for number, row in enumerate(FAULTS)],
    )
    def test_fault(
        self,
        served: Served,
        call: Client,
        operation: str,
        fields: dict[str, Any],
        code: FaultCode,
        field: str | None,
    ) -> None:
        before = tally(served.store)
        with pytest.raises(Fault) as raised:
            call(operation, **fields)
        fault = raised.value
        assert fault.message == f"{code} {TEXTS[code].format(field=field, count=fields.get('VoucherCount'))}"
        assert fault.code == "SOAP-ENV:Client"
        assert field_of(fault) == field
        assert tally(served.store) == before

    @pytest.mark.parametrize("alter", [lambda token: "A" + token[1:], lambda token: token[:-4] + "AAAA"])
    def test_altered_token(self, call: Client, alter: Callable[[str], str]) -> None:
        with pytest.raises(Fault, match=r"^ES030 Token ist ungültig\.$"):
            call("GetVoucherCodes", ChargeId="testid3", NextPageToken=alter(_token(call, "testid3")))

    def test_token_of_another_charge(self, call: Client) -> None:
        with pytest.raises(Fault, match=r"^ES030 Token ist ungültig\.$"):
            call("GetVoucherCodes", ChargeId="NoTemplate", NextPageToken=_token(call, "testid3"))

    def test_plain_http(self, served: Served, client: zeep.Client) -> None:
        address = f"http://localhost:{served.server.plain_port}/createvouchers"
        plain = client.create_service(f"{{{TNS}}}createvouchers", address)
        with pytest.raises(Fault, match=r"^ES007 SSL erforderlich$"):
            plain.GetVoucherCharges(request={"ShopID": SHOP, "Password": PASSWORD})

    def test_mandatory_header(self, served: Served, call: Client) -> None:
        before = tally(served.store)
        header = etree.Element("{urn:till}Transaction", {f"{{{SOAP_11}}}mustUnderstand": "1"})
        with pytest.raises(Fault) as raised:
            call("CreateVouchers", _soapheaders=[header], **CREATE)
        assert raised.value.code == "SOAP-ENV:MustUnderstand"
        assert tally(served.store) == before

    def test_every_fault_that_a_client_can_cause_is_here(self) -> None:
        caused = {code for _, _, code, _ in FAULTS} | {FaultCode.TOKEN_INVALID, FaultCode.TLS_REQUIRED}
        assert caused == set(FaultCode) - NOT_BY_A_CLIENT
