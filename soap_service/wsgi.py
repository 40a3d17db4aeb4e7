"""The composition root: settings -> store -> operations -> doors. The only place that knows everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from soap_service.operations.house import House
from soap_service.settings import Settings
from soap_service.soap.endpoint import Endpoint
from soap_service.soap.origin import Origin
from soap_service.store.engine import Store

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Any]


def build(settings: Settings, house: House | None = None) -> WsgiApplication:
    """The WSGI application of one process. It connects to the store on the first call, not before."""
    return Endpoint(
        house or House(Store(settings.store_url, pool_size=settings.threads + 1)),
        origin=Origin(settings.trusted_proxies, settings.public_url),
        require_tls=settings.require_tls,
        max_body_bytes=settings.max_body_bytes,
        filter_output=settings.filter_output,
        fault_detail=settings.fault_detail,
    )
