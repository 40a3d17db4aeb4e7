"""The served contract: the file in `wsdl/` with the address the caller used."""

from __future__ import annotations

from functools import lru_cache
from xml.sax.saxutils import quoteattr

from soap_service.paths import wsdl_file

_FILE_ADDRESS = 'location="https://localhost:8443/createvouchers"'


@lru_cache(maxsize=32)
def wsdl(address: str) -> bytes:
    """The WSDL with `address` as the location of the service, otherwise byte for byte the file."""
    text = wsdl_file().read_text("utf-8")
    before, found, behind = text.partition(_FILE_ADDRESS)
    if not found:
        raise ValueError(f"{wsdl_file()} has no {_FILE_ADDRESS}")
    return f"{before}location={quoteattr(address)}{behind}".encode()
