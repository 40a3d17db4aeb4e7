"""The five operations as the wire knows them: texts in, texts out, the work behind the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soap_service.domain import requests
from soap_service.domain.faults import VoucherFault
from soap_service.domain.shops import Shop
from soap_service.domain.terms import Terms, to_wire
from soap_service.operations.authenticate import enter
from soap_service.operations.charge_info import charge_info
from soap_service.operations.create_vouchers import CreatedVouchers, create_vouchers
from soap_service.operations.house import House, unavailable
from soap_service.operations.idempotency import answer_once
from soap_service.operations.list_charges import list_charges
from soap_service.operations.list_codes import list_codes
from soap_service.operations.pool_info import pool_info
from soap_service.settings import FilterOutput
from soap_service.soap import messages, pages
from soap_service.soap.compat import Application, Service, rpc
from soap_service.soap.envelope import SoapFault
from soap_service.soap.protocol import VoucherSoap
from soap_service.soap.reader import Texts
from soap_service.soap.writer import Xml
from soap_service.store.charges import Charge

_FILTERS = ("CustomerFilter", "CatProdFilter")
Answer = dict[str, Any]


def _operation(request: Any, response: Any) -> Any:
    return rpc(
        request.customize(min_occurs=1, nillable=False, sub_ns=""),
        _returns=response.customize(min_occurs=1, nillable=False, sub_ns=""),
        _out_variable_name="response",
    )


class VoucherService(Service):
    """CreateVouchers and the four that look (interface documentation, one section each)."""

    @_operation(messages.CreateVouchersRequestData, messages.CreateVouchersResponseData)
    def CreateVouchers(ctx: Any, request: Texts) -> Answer | Xml:
        door, shop, charge = _enter(ctx, request)
        call = ctx.udc
        if call.idempotency_key is None:
            asked = requests.read_create_vouchers(request)
            return door.created(request, create_vouchers(door.house, shop, asked, charge=charge))

        def work(transaction: Any) -> bytes:
            asked = requests.read_create_vouchers(request)
            answer = door.created(request, create_vouchers(door.house, shop, asked, transaction, charge))
            return door.writers.content(messages.CreateVouchersResponseData, answer).encode()

        return Xml(answer_once(door.house, shop, call.idempotency_key, call.body, work).decode())

    @_operation(messages.GetVoucherChargesRequestData, messages.GetVoucherChargesResponseData)
    def GetVoucherCharges(ctx: Any, request: Texts) -> Answer:
        door, shop, _ = _enter(ctx, request)
        charges = list_charges(door.house, shop, requests.read_list_charges(request))
        listed = [
            {
                "ChargeId": charge.name,
                "SubscribeSubshopID": charge.subscribe_subshop,
                **(to_wire(charge.terms) if charge.terms else {}),
            }
            for charge in charges
        ]
        return {"MsgID": _msg_id(request), "ChargeList": {"ChargeData": listed}}

    @_operation(messages.GetVoucherCodesRequestData, messages.GetVoucherCodesResponseData)
    def GetVoucherCodes(ctx: Any, request: Texts) -> Answer:
        door, shop, charge = _enter(ctx, request)
        page = list_codes(door.house, shop, requests.read_list_codes(request), charge)
        return {
            "MsgID": _msg_id(request),
            "VoucherList": pages.voucher_list(door.writers, page.vouchers, page.terms, door.texts_of),
            "NextPageToken": page.next_token or "",
            "LastPage": _flag(page.next_token is None),
        }

    @_operation(messages.GetVoucherPoolInfoRequestData, messages.GetVoucherPoolInfoResponseData)
    def GetVoucherPoolInfo(ctx: Any, request: Texts) -> Answer:
        door, shop, charge = _enter(ctx, request)
        count = pool_info(door.house, shop, requests.read_pool_info(request), charge)
        return {"MsgID": _msg_id(request), "VoucherCount": str(count)}

    @_operation(messages.GetVoucherChargeInfoRequestData, messages.GetVoucherChargeInfoResponseData)
    def GetVoucherChargeInfo(ctx: Any, request: Texts) -> Answer:
        door, shop, charge = _enter(ctx, request)
        facts = charge_info(door.house, shop, requests.read_charge_info(request), charge)
        return {
            "MsgID": _msg_id(request),
            "VoucherCount": str(facts.voucher_count),
            "HasTemplate": _flag(facts.has_template),
        }


class VoucherApplication(Application):
    """The operations bound to a house, with the protocol that reads and writes them."""

    def __init__(
        self, house: House, filter_output: FilterOutput = FilterOutput.TEXT, *, fault_detail: bool = True
    ) -> None:
        self.house = house
        out_protocol = VoucherSoap(fault_detail=fault_detail)
        self.writers = out_protocol.writers
        self._filter_output = filter_output
        super().__init__(
            [VoucherService],
            tns=messages.NAMESPACE,
            name="createvouchers",
            in_protocol=VoucherSoap(),
            out_protocol=out_protocol,
        )

    def call_wrapper(self, ctx: Any) -> Any:
        """Where Spyne lets an application translate exceptions: ours become faults of the catalogue."""
        try:
            return super().call_wrapper(ctx)
        except VoucherFault as fault:
            raise SoapFault(fault) from None
        except SoapFault:
            raise
        except Exception as error:  # the store is away, or the fault is ours: nothing was changed, try later
            raise SoapFault(unavailable()) from error

    def texts_of(self, terms: Terms) -> Mapping[str, Any]:
        """The wire texts of terms, the filters as the setting wants them."""
        texts: dict[str, Any] = to_wire(terms)
        if self._filter_output is not FilterOutput.TEXT:
            for name in _FILTERS:
                if self._filter_output is FilterOutput.OMIT:
                    texts.pop(name, None)
                elif name in texts:
                    texts[name] = Xml(texts[name].replace("\n", "&#10;"))  # an answer is one line
        return texts

    def created(self, request: Texts, vouchers: CreatedVouchers) -> Answer:
        """The answer of CreateVouchers."""
        return {
            "MsgID": _msg_id(request),
            **self.texts_of(vouchers.terms),
            "VoucherNumbers": {"VoucherNumber": vouchers.codes},
        }


def _enter(ctx: Any, request: Texts) -> tuple[VoucherApplication, Shop, Charge | None]:
    ctx.udc.shop = request.get("ShopID")
    charge_name = request.get("ChargeId") or None
    shop, charge = enter(ctx.app.house, request.get("ShopID"), request.get("Password"), charge_name)
    if request.undecodable is not None:
        raise request.undecodable
    return ctx.app, shop, charge


def _msg_id(request: Texts) -> str | None:
    # Echoed as it came; an empty one says nothing and is left out like every empty field.
    return request.get("MsgID") or None


def _flag(value: bool) -> str:
    return "true" if value else "false"
