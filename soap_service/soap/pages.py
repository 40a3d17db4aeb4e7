"""The fast path for lists of vouchers: what they share is written once.

A page of a thousand vouchers usually has one set of terms. Its text is made by the plain writer, once, and
put behind each code. A test holds the result equal to what the plain writer makes of every voucher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from soap_service.domain.terms import Terms
from soap_service.soap.messages import VoucherData
from soap_service.soap.text import escape
from soap_service.soap.writer import Writers, Xml


def voucher_list(
    writers: Writers,
    vouchers: Sequence[tuple[str, int]],
    terms: Mapping[int, Terms],
    texts_of: Callable[[Terms], Mapping[str, Any]],
) -> Xml:
    """The content of VoucherList: one VoucherData per pair of code and terms id."""
    behind_code = {
        terms_id: f"</Num>{writers.content(VoucherData, texts_of(known), without=('Num',))}</VoucherData>"
        for terms_id, known in terms.items()
    }
    return Xml("".join(f"<VoucherData><Num>{escape(code)}{behind_code[of]}" for code, of in vouchers))
