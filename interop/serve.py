"""The server process of `interop.service`: the service as it is, with its settings from the environment.

Only for `interop.spoil` and `interop.stumble` its answers are changed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from interop import spoil, stumble
from soap_service import logs
from soap_service.operations.house import House
from soap_service.server.application import ServerOptions, VoucherServer
from soap_service.settings import Settings
from soap_service.store.engine import Store
from soap_service.wsgi import build

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Serve until a signal comes, or until whoever started this is gone, killed even."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    store = Store(settings.store_url, pool_size=settings.threads + 1)
    application = build(settings, House(store))
    if number := os.environ.get(spoil.VARIABLE):
        application = spoil.spoiling(application, list(spoil.ROUNDS[int(number)].values()))
    if os.environ.get(stumble.VARIABLE):
        application = stumble.stumbling(application, settings.data_dir)
    options = ServerOptions(
        host=settings.host,
        port=settings.port,
        certfile=settings.tls_cert,
        workers=settings.workers,
        threads=settings.threads,
        keepalive=settings.keepalive,
        request_timeout=settings.request_timeout,
        after_fork=store.forget_connections,
    )
    VoucherServer(options, lambda: application).run()


if __name__ == "__main__":
    main()
