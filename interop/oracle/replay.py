"""Sends the cases of the corpus to the oracle and hears what it says."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from lxml import etree

from tests.support.corpus import Case

_AT_A_TIME = 16
_SECONDS = 20.0  # without a byte; the oracle itself gives up after three
_SENTINEL = Decimal(-999_999_999)


@dataclass(frozen=True)
class Heard:
    """What the oracle made of a request.

    `said` is a short text for people. What it read is told by an accepted CreateVouchers only: the number of
    vouchers asked for; MsgID and Amount when they were there.
    """

    accepts: bool
    said: str
    vouchers: int | None = None
    msg_id: str | None = None
    amount: Decimal | None = None


def replay(cases: Sequence[Case], port: int) -> dict[str, Heard]:
    """Send every case on a connection of its own; the answers by the cases' names."""
    with ThreadPoolExecutor(_AT_A_TIME) as senders:
        heard = senders.map(lambda case: hear(_exchange(case, port)), cases)
        return {case.name: one for case, one in zip(cases, heard, strict=True)}


def hear(answer: bytes) -> Heard:
    """Understand the bytes of an answer, which may be none, or none of HTTP."""
    while answer.startswith(b"HTTP/1.1 100"):
        answer = answer.partition(b"\r\n\r\n")[2]
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    if status is None:
        return Heard(False, "no answer")
    body = answer.partition(b"\r\n\r\n")[2]
    try:
        (content,) = etree.fromstring(body)[-1]
    except (etree.XMLSyntaxError, ValueError, IndexError):
        return Heard(False, f"HTTP {status[1].decode()}")
    if etree.QName(content).localname == "Fault":
        return Heard(False, content.findtext("faultstring") or content.findtext(".//{*}Text") or "a fault")
    if status[1] != b"200":
        return Heard(False, f"HTTP {status[1].decode()}")
    if etree.QName(content).localname != "CreateVouchersResponse":
        return Heard(True, "accepted")
    return Heard(
        True,
        "accepted",
        len(content.findall("response/VoucherNumbers/VoucherNumber")),
        content.findtext("response/MsgID"),
        _amount(content.findtext("response/Amount")),
    )


def _amount(text: str | None) -> Decimal | None:
    try:
        amount = None if text is None else Decimal(text)
    except InvalidOperation:
        return None
    return None if amount is None or not amount.is_finite() or amount <= _SENTINEL else amount


def _exchange(case: Case, port: int) -> bytes:
    head, body = case.message(f"localhost:{port}")
    then = case.rule("then")
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        try:
            if then == "end within the head":
                head = head[: len(head) // 2]
            connection.sendall(head)
            if b"expect: 100-continue" in head.lower():
                answer += connection.recv(65536)
            connection.sendall(body)
            if then:
                connection.shutdown(socket.SHUT_WR)
            while not _complete(answer) and (part := connection.recv(65536)):
                answer += part
        except OSError:  # reset or nothing more: what came until then is the answer
            pass
    return answer


def _complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return _complete(body)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])
