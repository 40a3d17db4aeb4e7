"""The protocol class that Spyne calls to read requests and to write answers.

It keeps Spyne's stages (create_in_document, decompose_incoming_envelope, deserialize, serialize,
create_out_string) and fills each with our own reader and writer.
"""

from __future__ import annotations

from typing import Any

from soap_service.domain.faults import FaultCode, VoucherFault
from soap_service.soap import reader
from soap_service.soap.compat import Soap11
from soap_service.soap.envelope import SoapFault
from soap_service.soap.writer import Writers


class VoucherSoap(Soap11):
    """SOAP 1.1, and 1.2 for those who ask in it, document/literal wrapped.

    A request becomes one mapping from field names to texts (None: absent); the domain reads the texts. An
    answer is the mapping the service returns. `ctx.udc` is the `Call`.
    """

    def __init__(self, *, fault_detail: bool = True) -> None:
        super().__init__(validator=None, parse_xsi_type=False)
        self.writers = Writers()
        self._fault_detail = fault_detail

    def create_in_document(self, ctx: Any, charset: Any = None) -> None:
        ctx.in_document = reader.parse(ctx.udc.body)

    def decompose_incoming_envelope(self, ctx: Any, message: Any = None) -> None:
        ctx.udc.envelope = reader.envelope_of(ctx.in_document)
        request = reader.open_envelope(ctx.in_document, self.app.interface.service_method_map)
        ctx.in_header_doc = request.header
        ctx.in_body_doc = request.wrapper
        ctx.method_request_string = request.operation

    def deserialize(self, ctx: Any, message: Any) -> None:
        (request,) = ctx.descriptor.in_message._type_info.values()
        ctx.in_object = [reader.read_texts(ctx.in_body_doc, request._type_info)]

    def serialize(self, ctx: Any, message: Any) -> None:
        if ctx.out_error is None:
            wrapper = ctx.descriptor.out_message
            name = wrapper.get_type_name()
            content = self.writers.content(wrapper, {"response": ctx.out_object[0]})
            ctx.out_document = ctx.udc.envelope.wrap(f"<ns:{name}>{content}</ns:{name}>")
        else:
            error = ctx.out_error
            known = isinstance(error, SoapFault)
            fault = error.fault if known else VoucherFault(FaultCode.UNAVAILABLE)
            ctx.out_document = ctx.udc.envelope.fault(
                fault, must_understand=known and error.must_understand, with_detail=self._fault_detail
            )

    def create_out_string(self, ctx: Any, charset: Any = None) -> None:
        ctx.out_string = [ctx.out_document]
