"""Spyne through soap_service.soap.compat: it imports, it works, it is quiet, on this interpreter.

`tests/interpreters.sh` runs the same file on the other interpreters the package supports.
"""

import gc
import importlib
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal as PyDecimal
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import six
from lxml import etree

import soap_service
from soap_service.soap import compat
from soap_service.soap.compat import (
    Application,
    Array,
    Boolean,
    ComplexModel,
    Decimal,
    Fault,
    Integer32,
    MethodContext,
    ServerBase,
    Service,
    Soap11,
    Unicode,
    rpc,
)

NS = "urn:example:till"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


class Order(ComplexModel):
    __namespace__ = NS
    _type_info = (
        ("Count", Integer32(sub_ns="")),
        ("Price", Decimal(sub_ns="")),
        ("Gift", Boolean(sub_ns="")),
        ("Note", Unicode(sub_ns="")),
        ("Password", Unicode(sub_ns="")),
    )


class Receipt(ComplexModel):
    __namespace__ = NS
    _type_info = (
        ("Total", Decimal(sub_ns="")),
        ("Note", Unicode(sub_ns="")),
        ("Lines", Array(Unicode(sub_ns="", type_name="line"), sub_ns="")),
    )


class Till(Service):
    @rpc(
        Order.customize(sub_ns=""),
        _returns=Receipt.customize(sub_ns=""),
        _in_arg_names={"order": "request"},
        _out_variable_name="response",
    )
    def Sell(ctx: Any, order: Any) -> Any:  # noqa: N805 (Spyne passes the context)
        if order.Count < 1:
            raise Fault("Client", "nothing to sell")
        lines = ["gift" if order.Gift else "sale"] * order.Count
        return Receipt(Total=order.Count * order.Price, Note=order.Note, Lines=lines)


class MemoryServer(ServerBase):
    """A transport without a network, on the base class that the product's own transport has."""

    transport = "memory"

    def call(self, document: bytes) -> bytes:
        initial = MethodContext(self, MethodContext.SERVER)
        initial.in_string = [document]
        ctx = self.generate_contexts(initial)[0]
        if not ctx.in_error:
            self.get_in_object(ctx)
        if ctx.in_error:
            ctx.out_error = ctx.in_error
        else:
            self.get_out_object(ctx)
        self.get_out_string(ctx)
        answer = b"".join(ctx.out_string)
        ctx.close()
        return answer


@pytest.fixture
def server() -> MemoryServer:
    protocol = Soap11(validator=None, parse_xsi_type=False)
    return MemoryServer(Application([Till], NS, in_protocol=protocol, out_protocol=Soap11()))


def sell(count: int = 3) -> bytes:
    return (
        f'<e:Envelope xmlns:e="{ENVELOPE}"><e:Body><n:Sell xmlns:n="{NS}"><request><Count>{count}</Count>'
        "<Price>10.10</Price><Gift>true</Gift><Note>für Jörg</Note></request></n:Sell></e:Body></e:Envelope>"
    ).encode()


def fresh(code: str, tmp_path: Path, *options: str) -> str:
    """Run `code` in a new interpreter that has to compile Spyne anew; its output, stderr included."""
    done = subprocess.run(
        [sys.executable, "-X", f"pycache_prefix={tmp_path}", *options, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


# --- it imports -------------------------------------------------------------------------------------------


def test_first_import_succeeds_without_a_warning(tmp_path: Path) -> None:
    assert fresh("import soap_service.soap.compat as c; print(c.Soap11.__name__)", tmp_path) == "Soap11\n"
    fresh("import soap_service.soap.compat", tmp_path / "strict", "-W", "error")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Spyne's own six still imports on 3.11")
def test_spyne_alone_still_needs_the_shim(tmp_path: Path) -> None:
    """When this fails, a newer Spyne has mended itself, and the six part of the module can go."""
    said = fresh("try: import spyne\nexcept ModuleNotFoundError as e: print(e.name)", tmp_path)
    assert said == "spyne.util.six.moves\n"


def test_six_is_ours_and_has_all_that_spyne_takes_from_it() -> None:
    vendored = importlib.import_module("spyne.util").six
    assert vendored is sys.modules["spyne.util.six"]
    assert (vendored.__file__, vendored.__version__) == (six.__file__, six.__version__)
    assert not hasattr(six, "get_function_name")  # everybody else's six is left alone

    files = [f for f in metadata.files("spyne") or [] if f.suffix == ".py" and "test" not in f.parts]
    sources = [f.read_text("utf-8") for f in files if f.name != "six.py"]
    imports = {
        found
        for source in sources
        for found in re.findall(r"^\s*from (spyne\.util\.six[\w.]*) import (\w+)", source, re.MULTILINE)
    }
    used = {name for source in sources for name in re.findall(r"(?<![\w.])six\.(\w+)", source)}
    assert ("spyne.util.six.moves.collections_abc", "MutableSet") in imports
    assert "get_function_name" in used
    assert [(module, name) for module, name in imports if not hasattr(importlib.import_module(module), name)] == []
    assert [name for name in used if not hasattr(vendored, name)] == []


def test_the_rest_of_spyne_that_has_no_further_dependency_imports(tmp_path: Path) -> None:
    modules = "spyne.server.wsgi, spyne.server.null, spyne.client.http, spyne.interface.wsdl, spyne.protocol.xml"
    fresh(f"import soap_service.soap.compat\nimport {modules}, spyne.util.etreeconv", tmp_path)


def test_every_promised_name_is_there() -> None:
    assert compat.__all__ == sorted(compat.__all__)
    assert all(hasattr(compat, name) for name in compat.__all__)


def test_nothing_else_in_the_package_imports_spyne_directly() -> None:
    """Such an import would be sorted before the shim, and fail on 3.12 and newer only."""
    package = Path(soap_service.__file__).parent
    direct = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s*(?:from|import) spyne\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert direct == {"soap/compat.py"}


# --- it works ---------------------------------------------------------------------------------------------


def test_a_call_is_answered_with_unqualified_members_in_declared_order(server: MemoryServer) -> None:
    [wrapper] = etree.fromstring(server.call(sell())).find(f"{{{ENVELOPE}}}Body")
    assert wrapper.tag == f"{{{NS}}}SellResponse"
    [response] = wrapper
    assert response.tag == "response"
    assert [child.tag for child in response] == ["Total", "Note", "Lines"]
    assert PyDecimal(response.findtext("Total")) == PyDecimal("30.30")
    assert response.findtext("Note") == "für Jörg"
    assert [line.text for line in response.find("Lines")] == ["gift"] * 3


def test_a_fault_of_the_service_is_answered_as_one(server: MemoryServer) -> None:
    [fault] = etree.fromstring(server.call(sell(count=0))).find(f"{{{ENVELOPE}}}Body")
    assert fault.tag == f"{{{ENVELOPE}}}Fault"
    assert fault.findtext("faultstring") == "nothing to sell"
    assert fault.findtext("faultcode").endswith(":Client")


# --- it is quiet ------------------------------------------------------------------------------------------

MALFORMED = sell().replace(b"</request>", b"<Password>geheim</Password>")


class Seen(logging.Handler):
    def __init__(self) -> None:
        super().__init__(level=logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {self.format(record)}")


@pytest.fixture
def root_handler() -> Iterator[Seen]:
    """The most curious configuration there can be: everything that reaches the root is kept."""
    root, seen = logging.getLogger(), Seen()
    level = root.level
    root.addHandler(seen)
    root.setLevel(1)
    yield seen
    root.removeHandler(seen)
    root.setLevel(level)


def test_a_malformed_request_is_not_logged(
    server: MemoryServer,
    root_handler: Seen,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert b"Fault" in server.call(MALFORMED)
    assert b"Fault" in server.call(sell(count=0))
    assert [line for line in root_handler.lines if line.startswith("spyne")] == []
    assert [record for record in caplog.records if record.name.startswith("spyne")] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("configure", ["pass", "logging.basicConfig(level=1)"])
def test_nor_when_somebody_lowers_the_level_of_a_child(configure: str, tmp_path: Path) -> None:
    """In a process of its own: pytest hands its own handlers to every logger that does not propagate."""
    code = f"""
import logging
from soap_service.soap import compat
{configure}
child = logging.getLogger("spyne.protocol.soap.soap11.invalid")
child.setLevel(logging.DEBUG)
child.error("geheim")
print(child.isEnabledFor(logging.ERROR))
"""
    assert fresh(code, tmp_path) == "True\n"


def test_spyne_would_log_the_password_if_it_were_let(
    server: MemoryServer, root_handler: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that the tests above look at the right place."""
    logger = logging.getLogger("spyne")
    silent = logger.level
    monkeypatch.setattr(logger, "propagate", True)
    logger.setLevel(logging.NOTSET)
    try:
        server.call(MALFORMED)
    finally:
        logger.setLevel(silent)
    assert "geheim" in "".join(root_handler.lines)


def test_no_logger_of_spyne_makes_a_record(root_handler: Seen) -> None:
    """Refused by isEnabledFor, the cheap way, before a record is made or an argument formatted."""
    loggers = [name for name in logging.Logger.manager.loggerDict if name.partition(".")[0] == "spyne"]
    assert len(loggers) > 10
    for name in loggers:
        assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL), name


# --- it does not collect garbage in a request -------------------------------------------------------------


def test_closing_a_context_collects_no_garbage(server: MemoryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[None] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(None))
    context = importlib.import_module("spyne.context")
    monkeypatch.setattr(context, "_LAST_GC_RUN", 0.0)
    server.call(sell())
    assert collected == []
    monkeypatch.setattr(context.const, "MIN_GC_INTERVAL", 1.0)  # Spyne's default: it would have
    server.call(sell())
    assert collected == [None]
