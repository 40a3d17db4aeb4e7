"""`createvouchers serve`: the service itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from soap_service.cli.context import open_house, read_settings
from soap_service.cli.errors import UsageError
from soap_service.cli.output import AsJson, note, write_json
from soap_service.cli.server_options import (
    Certificate,
    certificate,
    first_call,
    local_url,
    server_options,
    warnings,
)
from soap_service.operations import demo_data
from soap_service.operations.manage_shops import has_password
from soap_service.settings import Settings


def serve(as_json: AsJson = False) -> None:
    """Serve until a signal. Settings come from the environment: docs/configuration.md.

    --json prints the addresses as JSON when the server starts.
    """
    settings = read_settings()
    with open_house(settings) as house:
        demo = has_password(house, demo_data.SHOP, demo_data.PASSWORD)
    pair = certificate(settings)
    _check_addresses(settings)
    _run(settings, pair, lambda: _welcome(settings, pair, demo, as_json))


def _run(settings: Settings, pair: Certificate | None, welcome: Callable[[], None]) -> None:
    from soap_service import logs
    from soap_service.server.application import VoucherServer
    from soap_service.wsgi import build

    logs.configure(settings.log_level, settings.log_format)
    try:
        server = VoucherServer(server_options(settings, pair), lambda: build(settings))
    except OSError as error:
        raise UsageError(
            f"the certificate {pair.certfile if pair else ''} cannot be used: {error.strerror or error}"
        ) from None
    welcome()
    server.run()


def _check_addresses(settings: Settings) -> None:
    """gunicorn would try a busy port for five seconds and then say so in its own words."""
    for port in filter(None, (settings.port, settings.plain_port)):
        try:
            found = socket.getaddrinfo(settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError:
            raise UsageError(
                f"CREATEVOUCHERS_HOST: expected an address of this machine: {settings.host}"
            ) from None
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise UsageError(f"cannot listen on {settings.host} port {port}: {error.strerror}") from None


def _welcome(settings: Settings, pair: Certificate | None, demo: bool, as_json: bool) -> None:
    url = settings.public_url or local_url(settings)
    call = first_call(settings, pair) if demo else None
    warned = list(warnings(settings, pair, public_demo=demo))
    for warning in warned:
        note(f"WARNING: {warning}")
    if as_json:
        facts: dict[str, Any] = {"url": url, "wsdl": f"{url}?wsdl", "first_call": call, "warnings": warned}
        write_json(facts)
        return
    print(f"Service: {url}\nWSDL:    {url}?wsdl")
    if call is not None:
        print(f"\nA first call, from another terminal:\n\n{call}\n", flush=True)
