"""The fast path for lists of vouchers: what they share is written once.

A page of a thousand vouchers usually has one set of terms. Its text is made by the plain writer, once, and
put behind each code. A test holds the result equal to what the plain writer makes of every voucher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from soap_service.domain.terms import Terms
from soap_service.soap.messages import VoucherData
from soap_service.soap.text import escape_all
from soap_service.soap.writer import Writers, Xml

_BEFORE = "<VoucherData><Num>"


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
    codes = escape_all([code for code, _ in vouchers])
    if len(behind_code) == 1 and codes:
        (behind,) = behind_code.values()
        return Xml(f"{_BEFORE}{(behind + _BEFORE).join(codes)}{behind}")
    return Xml("".join(f"{_BEFORE}{code}{behind_code[of]}" for code, (_, of) in zip(codes, vouchers, strict=True)))
