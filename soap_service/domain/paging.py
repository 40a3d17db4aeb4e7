"""Page tokens: opaque, tamper-proof, bound to shop and charge, valid for ever.

A token holds the last code of its page, so that the next page starts behind it whatever was inserted or
deleted meanwhile, at the cost of the first page. Source: contract, section 4, GetVoucherCodes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from itsdangerous import BadSignature, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from soap_service.domain.faults import FaultCode, VoucherFault

# Two base64url parts, neither of a length that no base64 text has: the text can be taken apart.
_PART = r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,4})"
_TOKEN = re.compile(rf"{_PART}\.{_PART}")
LONGEST_TOKEN = 2000


class PageTokens:
    """Makes and reads the tokens of one shop and charge.

    `keys`: the signing keys, oldest first; the newest signs, all are accepted.
    """

    def __init__(self, keys: Sequence[bytes], shop_id: int, charge_id: int) -> None:
        salt = f"page-token/{shop_id}/{charge_id}"
        self._signer = Signer(list(keys), salt=salt, key_derivation="hmac", digest_method=sha256)

    def make(self, last_code: str) -> str:
        """The token of the page behind `last_code`; ES026 when it cannot be made."""
        try:
            return self._signer.sign(base64_encode(last_code)).decode("ascii")
        except (TypeError, ValueError, LookupError) as error:  # LookupError: there is no key to sign with
            raise VoucherFault(FaultCode.TOKEN_NOT_CREATED) from error

    def read(self, token: str) -> str:
        """The code behind which the page starts.

        Raises ES027 when the text is no token at all, ES030 when it is altered or of another shop or charge.
        """
        if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            raise VoucherFault(FaultCode.TOKEN_NOT_PARSED)
        if not all(_is_canonical(part) for part in token.split(".")):
            raise VoucherFault(FaultCode.TOKEN_INVALID)
        try:
            return base64_decode(self._signer.unsign(token)).decode()
        except BadSignature as error:
            raise VoucherFault(FaultCode.TOKEN_INVALID) from error


def _is_canonical(part: str) -> bool:
    # The last letter may have bits that decode to nothing: with those set, the signature would still be right.
    return base64_encode(base64_decode(part)) == part.encode("ascii")
