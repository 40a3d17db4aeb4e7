"""The transport, spoken to by raw sockets: a real gunicorn process with a tiny application on 127.0.0.1.

Run as a program, this file is that server (see the bottom).
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soap_service.server.tls import certificate_facts, ensure_self_signed
from soap_service.server.worker import BAD_REQUEST_BODY, SERVER_ERROR_BODY

SECRET = "geheim-4711"  # travels in requests, must never reach the log


@dataclass
class Server:
    """A running server process and what a client needs to reach it."""

    port: int
    plain_port: int
    certfile: Path
    log_path: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def access(self) -> list[dict[str, Any]]:
        return [json.loads(line[7:]) for line in self.log.splitlines() if line.startswith("ACCESS ")]


@dataclass
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def seen(self) -> dict[str, Any]:
        """What the tiny application saw."""
        assert self.status == 200, (self.status, self.body)
        seen: dict[str, Any] = json.loads(self.body)
        return seen


class Client:
    """One connection; sends bytes as given and reads replies one by one."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, session: Any = None) -> None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock: Any = tls.wrap_socket(raw, server_hostname="localhost", session=session) if tls else raw
        self.file: io.BufferedReader = self.sock.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def read(self) -> Reply:
        line = self.file.readline()
        assert line, "connection closed without an answer"
        reply = Reply(int(line.split()[1]))
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, value = line.decode("latin-1").rstrip("\r\n").split(": ", 1)
            assert name.lower() not in reply.headers, name
            reply.headers[name.lower()] = value
        if reply.status == 100:
            return reply
        if reply.headers.get("transfer-encoding") == "chunked":
            while size := int(self.file.readline(), 16):
                reply.body += self.file.read(size)
                assert self.file.readline() == b"\r\n"
            assert self.file.readline() == b"\r\n"
        elif "content-length" in reply.headers:
            reply.body = self.file.read(int(reply.headers["content-length"]))
            assert len(reply.body) == int(reply.headers["content-length"])
        else:
            reply.body = self.file.read()
        return reply

    def at_end(self) -> bool:
        """Whether the server closed in good order after what was read: no reset, no byte more."""
        return self.file.read() == b""


def post(path: str = "/echo", body: bytes = b"", *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(path: str, *pieces: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(pieces)


@contextlib.contextmanager
def running(directory: Path, **options: Any) -> Iterator[Server]:
    certfile, keyfile = ensure_self_signed(directory, "localhost")
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        port, plain_port = one.getsockname()[1], two.getsockname()[1]
    options |= {"port": port, "plain_port": plain_port, "certfile": str(certfile), "keyfile": str(keyfile)}
    log_path = directory / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(options)],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"},
        )
    server = Server(port, plain_port, certfile, log_path, process)
    try:
        deadline = time.monotonic() + 20
        while server.log.count("BOOTED") < options["workers"]:
            assert process.poll() is None, server.log
            assert time.monotonic() < deadline, server.log
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, for everything that is quick."""
    with running(tmp_path_factory.mktemp("two"), workers=2, threads=4, request_timeout=5) as server:
        yield server


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker with two threads and little patience, for clients that waste time."""
    with running(tmp_path_factory.mktemp("one"), workers=1, threads=2, request_timeout=1) as server:
        yield server


@pytest.fixture(scope="module")
def trust(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(server.certfile))


def untrusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ask(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> Reply:
    with Client(port, tls) as client:
        client.send(data)
        return client.read()


def assert_fault(reply: Reply, status: int, body: bytes) -> None:
    assert (reply.status, reply.body) == (status, body)
    assert reply.headers["content-type"] == "text/xml; charset=utf-8"
    assert reply.headers["connection"] == "close"
    assert "server" not in reply.headers


# --- One port, two languages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("listener", ["port", "plain_port"])
@pytest.mark.parametrize("tls", [True, False])
def test_scheme_is_what_the_socket_is(server: Server, trust: ssl.SSLContext, listener: str, tls: bool) -> None:
    lies = (
        "X-Forwarded-Proto: https" if not tls else "X-Forwarded-Proto: http",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-For: 203.0.113.7",
        "Forwarded: proto=https",
        "X_Forwarded_For: 198.51.100.1",
        "Script_Name: /forged",
    )
    seen = ask(getattr(server, listener), post("/echo", b"x", *lies), trust if tls else None).seen
    assert seen["wsgi.url_scheme"] == ("https" if tls else "http")
    assert seen["HTTP_X_FORWARDED_PROTO"] == ("http" if tls else "https")
    assert seen["HTTP_X_FORWARDED_FOR"] == "203.0.113.7"
    assert seen["HTTP_X_FORWARDED_SSL"] == "on"
    assert seen["HTTP_FORWARDED"] == "proto=https"
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", "/echo")


def test_response_head(server: Server, trust: ssl.SSLContext) -> None:
    reply = ask(server.port, post(), trust)
    assert set(reply.headers) == {"date", "connection", "content-type", "content-length"}
    assert reply.headers["connection"] == "keep-alive"


def test_application_is_built_before_the_fork(server: Server) -> None:
    seen = ask(server.port, post()).seen
    assert seen["built_by"] == server.process.pid != seen["pid"]
    assert seen["after_fork"] == [seen["pid"]]
    assert seen["frozen"] > 1000


def test_junk_that_looks_like_tls_is_closed_without_http(server: Server) -> None:
    for junk in (b"\x16\x03\x01\x00\x05junk!", b"\x80\x2e\x01\x00\x02" + b"\0" * 40, b"\x16"):
        with Client(server.port) as client:
            client.send(junk)
            client.half_close()
            assert b"HTTP" not in client.file.read()
    assert ask(server.port, post()).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_resume_in_every_worker(server: Server, trust: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(server.certfile))
    context.minimum_version = context.maximum_version = version
    with Client(server.port, context) as client:
        client.send(post())
        first = client.read().seen["pid"]
        session = client.sock.session
        assert not client.sock.session_reused
    pids = set()
    for _ in range(200):
        with Client(server.port, context, session) as client:
            client.send(post())
            pids.add(client.read().seen["pid"])
            assert client.sock.session_reused
            session = client.sock.session or session
        if pids - {first}:
            break
    assert pids - {first}, "the other worker never took a connection"


def test_close_is_announced_on_tls(server: Server, trust: ssl.SSLContext) -> None:
    # suppress_ragged_eofs=False: a missing close_notify would raise.
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with trust.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as sock:
        sock.sendall(post("/echo", b"", "Connection: close"))
        data = b""
        while piece := sock.recv(65536):
            data += piece
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")


# --- What the parser refuses ---------------------------------------------------------------------------------

REFUSED = {
    "two equal lengths": (400, b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
    "two lengths": (400, b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab"),
    "length list": (400, b"POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nab"),
    "length not a number": (400, b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n"),
    "negative length": (400, b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
    "empty length": (400, b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n"),
    "endless length": (400, b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"),
    "length and chunked": (
        400,
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "unknown coding": (400, b"POST / HTTP/1.1\r\nTransfer-Encoding: zip\r\n\r\n"),
    "chunked in 1.0": (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "no version": (400, b"POST /createvouchers\r\n\r\n"),
    "version 9": (400, b"POST / HTTP/9.9\r\n\r\n"),
    "method": (400, b"post / HTTP/1.1\r\n\r\n"),
    "target": (400, b"POST http:// /x HTTP/1.1\r\n\r\n"),
    "bare line feeds": (400, b"POST / HTTP/1.1\nHost: x\n\n"),
    "header without colon": (400, b"POST / HTTP/1.1\r\nHost\r\n\r\n"),
    "folded header": (400, b"POST / HTTP/1.1\r\nSOAPAction: a\r\n b\r\n\r\n"),
    "control character": (400, b"POST / HTTP/1.1\r\nHost: a\x00b\r\n\r\n"),
    "two hosts": (400, b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "not HTTP": (400, b"\x00\x01\x02\x03\r\n\r\n"),
    "long target": (414, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n"),
    "many headers": (431, b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 70 + b"\r\n"),
    "long header": (431, b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n"),
    "expectation": (417, b"POST / HTTP/1.1\r\nExpect: wonders\r\n\r\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_fault(server: Server, trust: ssl.SSLContext, name: str) -> None:
    status, request = REFUSED[name]
    for tls in (None, trust):
        with Client(server.port, tls) as client:
            client.send(request)
            assert_fault(client.read(), status, BAD_REQUEST_BODY)
            assert client.at_end()


@pytest.mark.parametrize("tls", [True, False])
def test_fault_survives_unread_input(server: Server, trust: ssl.SSLContext, tls: bool) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 4000000\r\n\r\n"
    with Client(server.port, trust if tls else None) as client:
        client.send(head + b"x" * 4_000_000)
        assert_fault(client.read(), 400, BAD_REQUEST_BODY)
        assert client.at_end()


def test_refusals_are_in_the_access_log_without_content(server: Server) -> None:
    def entries(path: str | None, status: int) -> list[dict[str, Any]]:
        return [entry for entry in server.access() if (entry["path"], entry["status"]) == (path, status)]

    ask(server.port, post("/echo/refusals"))
    _until(lambda: entries("/echo/refusals", 200))
    before = len(entries(None, 414))
    ask(server.port, f"GET /{SECRET}{'a' * 5000} HTTP/1.1\r\n\r\n".encode())
    _until(lambda: len(entries(None, 414)) > before)
    assert entries(None, 414)[-1]["size"] == len(BAD_REQUEST_BODY)
    (good,) = entries("/echo/refusals", 200)
    assert good["scheme"] == "http"
    assert 0 < good["seconds"] < 5
    assert SECRET not in server.log


def _until(condition: Callable[[], object], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_head_cut_short(server: Server) -> None:
    with Client(server.port) as client:
        client.send(b"POST /createvouchers HTTP/1.1\r\nHost: loc")
        client.half_close()
        assert_fault(client.read(), 400, BAD_REQUEST_BODY)
        assert client.at_end()


# --- What the application cannot answer ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/boom", "/refused", "/exit", "/timeout", "/badheader", "/silent"])
def test_unexpected_failure_is_a_server_fault(server: Server, path: str) -> None:
    pids = workers(server)
    offset = len(server.log)
    with Client(server.port) as client:
        client.send(post(path, SECRET.encode()))
        assert_fault(client.read(), 500, SERVER_ERROR_BODY)
        assert client.at_end()
    log = server.log[offset:]
    assert "unexpected error" in log
    assert SECRET not in log
    assert workers(server) == pids


def workers(server: Server) -> set[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


def test_failure_amid_a_response_cuts_it_off(server: Server) -> None:
    with Client(server.port) as client:
        client.send(post("/half"))
        data = client.file.read()
    assert data.endswith(b"\r\n\r\nhalf")
    assert data.count(b"HTTP/1.1") == 1


# --- Request bodies ------------------------------------------------------------------------------------------

BROKEN = {
    "size": (b"5\r\nhello\r\nxyz\r\n",),
    "negative size": (b"-5\r\nhello\r\n0\r\n\r\n",),
    "terminator": (b"5\r\nhelloXX0\r\n\r\n",),
    "extension": (b"5;a=\x01\r\nhello\r\n0\r\n\r\n",),
    "bare line feed in a trailer": (b"5\r\nhello\r\n0\r\nX: 1\n\r\n\r\n",),
    "forbidden trailer": (b"5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n",),
    "no end": (b"5\r\nhello\r\n", None),
    "cut in a chunk": (b"500\r\nhello", None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_chunks_are_an_oserror_in_the_application(server: Server, name: str) -> None:
    data, *half = BROKEN[name]
    for path, status, body in (("/echo", 500, b"RequestBodyError"), ("/naive", 400, BAD_REQUEST_BODY)):
        with Client(server.port) as client:
            client.send(chunked(path, data))
            if half:
                client.half_close()
            reply = client.read()
            assert (reply.status, reply.body) == (status, body)
            assert reply.headers["connection"] == "close"
            assert client.at_end()


@pytest.mark.parametrize("path", ["/echo", "/naive"])
def test_body_shorter_than_announced(server: Server, path: str) -> None:
    with Client(server.port) as client:
        client.send(post(path, b"x" * 1000)[:-990])
        client.half_close()
        reply = client.read()
        assert reply.body == (b"RequestBodyError" if path == "/echo" else BAD_REQUEST_BODY)
        assert reply.headers["connection"] == "close"
        assert client.at_end()


def test_client_that_vanishes_amid_its_body_harms_nobody(server: Server, trust: ssl.SSLContext) -> None:
    pids = workers(server)
    for tls in (None, trust):
        with Client(server.port, tls) as client:
            client.send(post("/echo", b"x" * 1000)[:-990])
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # reset
    assert ask(server.port, post(), trust).status == 200
    assert workers(server) == pids


def test_unread_body_ends_the_connection_after_the_answer(server: Server) -> None:
    with Client(server.port) as client:
        client.send(post("/noread", b"x" * 3_000_000))
        reply = client.read()
        assert (reply.status, reply.body, reply.headers["connection"]) == (200, b"no thanks", "close")
        assert client.at_end()


def test_gzip_passes_untouched(server: Server) -> None:
    body = gzip.compress(b"<Envelope/>" * 500)
    seen = ask(server.port, post("/echo", body, "Content-Encoding: gzip")).seen
    assert seen["HTTP_CONTENT_ENCODING"] == "gzip"
    assert seen["sha"] == hashlib.sha256(body).hexdigest()
    packed = f"{len(body):X}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    request = chunked("/echo", packed).replace(b"chunked\r\n", b"chunked\r\nContent-Encoding: gzip\r\n", 1)
    assert ask(server.port, request).seen["sha"] == seen["sha"]


def test_trailers_and_next_request(server: Server, trust: ssl.SSLContext) -> None:
    with Client(server.port, trust) as client:
        for _ in range(2):
            client.send(chunked("/echo", b"5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Check: 1\r\n\r\n"))
            reply = client.read()
            assert reply.seen["sha"] == hashlib.sha256(b"hello world").hexdigest()
            assert reply.headers["connection"] == "keep-alive"


# --- Conversation --------------------------------------------------------------------------------------------


def test_expect_continue(server: Server, trust: ssl.SSLContext) -> None:
    with Client(server.port, trust) as client:
        head, body = post("/echo", b"a" * 2000, "Expect: 100-Continue")[:-2000], b"a" * 2000
        client.send(head)
        assert client.read().status == 100
        client.send(body)
        assert client.read().seen["length"] == 2000
        client.send(post())
        assert client.read().status == 200
    reply = ask(server.port, post("/echo", b"a", "Expect: 100-continue", version="1.0"))
    assert reply.status == 200


def test_http_1_0(server: Server) -> None:
    with Client(server.port) as client:
        client.send(post("/stream", version="1.0"))
        reply = client.read()
        assert reply.body == b"onetwo"
        assert reply.headers["connection"] == "close"
        assert "transfer-encoding" not in reply.headers
    with Client(server.port) as client:
        for _ in range(2):
            client.send(post("/echo", b"", "Connection: Keep-Alive", version="1.0"))
            assert client.read().headers["connection"] == "keep-alive"
        client.send(post("/echo", version="1.0"))
        assert client.read().headers["connection"] == "close"
        assert client.at_end()
    assert ask(server.port, post("/stream")).body == b"onetwo"


@pytest.mark.parametrize("option", ["close", "Close", "TE, close"])
def test_close_is_echoed(server: Server, trust: ssl.SSLContext, option: str) -> None:
    with Client(server.port, trust) as client:
        client.send(post("/echo", b"", f"Connection: {option}"))
        assert client.read().headers["connection"] == "close"
        assert client.at_end()


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("size", [0, 8192 - len(post(body=b"a" * 8000)) + 8000, 9000, 26000])
def test_pipelining(server: Server, trust: ssl.SSLContext, tls: bool, size: int) -> None:
    # Records hold 16384 bytes, reads ask for 8192 or for the rest of the body: with the second and the last size
    # one read ends exactly with the first request, and OpenSSL holds the others.
    with Client(server.port, trust if tls else None) as client:
        client.send(post("/echo", b"a" * size) + post("/echo", b"b") + post("/echo", b"ccc"))
        assert [client.read().seen["length"] for _ in range(3)] == [size, 1, 3]


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="no way to acknowledge at once")
@pytest.mark.parametrize("tls", [True, False])
def test_requests_in_two_writes_are_not_delayed(server: Server, trust: ssl.SSLContext, tls: bool) -> None:
    # As many client libraries write them: Nagle's algorithm would cost 40 ms each.
    times = []
    with Client(server.port, trust if tls else None) as client:
        for _ in range(21):
            started = time.monotonic()
            client.send(post("/echo", b"abc")[:-3])
            client.send(b"abc")
            assert client.read().seen["length"] == 3
            times.append(time.monotonic() - started)
    assert sorted(times)[10] < 0.025


def test_head_request_has_no_body(server: Server) -> None:
    with Client(server.port) as client:
        client.send(b"HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\nHEAD /boom HTTP/1.1\r\nHost: x\r\n\r\n")
        data = client.file.read()
    assert data.count(b"\r\n\r\n") == 2
    assert data.endswith(b"\r\n\r\n")


# --- Clients that waste time ---------------------------------------------------------------------------------


def _prompt(server: Server, within: float) -> None:
    started = time.monotonic()
    assert ask(server.port, post(), untrusting()).status == 200
    assert time.monotonic() - started < within


@pytest.mark.parametrize("start", ["silent", "after the handshake", "after an answer"])
def test_idle_clients_hold_no_thread(narrow: Server, start: str) -> None:
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        tls = None if start == "silent" else untrusting()
        for _ in range(8):
            client = stack.enter_context(Client(narrow.port, tls))
            if start == "after an answer":
                client.send(post())
                assert client.read().status == 200
        _prompt(narrow, 2.0)
    # Counted from the first of them: their handshakes need the threads too.
    assert time.monotonic() - started < 2.0


def test_silent_clients_are_closed(narrow: Server) -> None:
    silent, shaken, stuck = (
        Client(narrow.port),
        Client(narrow.port, untrusting()),
        Client(narrow.port, untrusting()),
    )
    with silent, shaken, stuck:
        started = time.monotonic()
        os.write(stuck.sock.fileno(), b"\x17\x03\x03")  # the head of a record that never comes
        assert silent.at_end()
        assert shaken.at_end()
        assert stuck.at_end()
        assert 0.5 < time.monotonic() - started < 4


@pytest.mark.parametrize("hog", ["head", "body", "tls body", "handshake"])
def test_slow_senders_free_their_thread(narrow: Server, hog: str) -> None:
    # More than there are threads; every byte comes well within the timeout, the request never does.
    data = {"head": b"POST / HTTP/1.1\r\n", "handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}
    with contextlib.ExitStack() as stack:
        tls = untrusting() if hog.startswith("tls") else None
        hogs = [stack.enter_context(Client(narrow.port, tls)) for _ in range(2)]
        for client in hogs:
            client.send(data.get(hog, post("/naive", b"x" * 100)[:-100]))
        started = time.monotonic()
        while time.monotonic() - started < 1.2:
            time.sleep(0.1)
            for client in hogs:
                client.send(b"X")
        _prompt(narrow, 0.8)
        for client in hogs:
            if hog == "handshake":
                assert b"HTTP" not in client.file.read()
            else:
                assert_fault(client.read(), 408, BAD_REQUEST_BODY)


def test_slow_readers_free_their_thread(narrow: Server) -> None:
    with contextlib.ExitStack() as stack:
        for tls in (None, untrusting()):
            stack.enter_context(Client(narrow.port, tls)).send(post("/big"))
        time.sleep(0.2)
        _prompt(narrow, 3.0)


def test_clients_that_do_not_close_hold_up_nobody(narrow: Server) -> None:
    # gunicorn itself waits for each of them in its main loop, two seconds at a time.
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(Client(narrow.port))
            client.send(post("/echo", b"", "Connection: close"))
            assert client.read().headers["connection"] == "close"
        _prompt(narrow, 1.2)


# --- Life cycle ----------------------------------------------------------------------------------------------


def test_renewed_certificate_and_graceful_stop(tmp_path: Path) -> None:
    def presented(port: int) -> str:
        with Client(port, untrusting()) as client:
            return hashlib.sha256(client.sock.getpeercert(binary_form=True)).hexdigest()

    with running(tmp_path, workers=1, threads=2, request_timeout=5) as server:
        first = certificate_facts(server.certfile).fingerprint
        assert presented(server.port) == first
        newcert, newkey = ensure_self_signed(tmp_path / "new", "localhost")
        second = certificate_facts(newcert).fingerprint
        newcert.replace(server.certfile)
        assert [presented(server.port) for _ in range(3)] == [first] * 3  # the key does not fit yet
        assert server.log.count("cannot be used, kept the old one") == 1
        newkey.replace(server.certfile.with_name("self-signed.key"))
        assert presented(server.port) == second
        server.certfile.unlink()
        assert presented(server.port) == second

        idle, busy = Client(server.port), Client(server.port, untrusting())
        with idle, busy:
            busy.send(post("/sleep"))
            time.sleep(0.2)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            reply = busy.read()
            assert (reply.body, reply.headers["connection"]) == (b"slept", "close")
            assert idle.at_end()
            assert server.process.wait(8) == 0
            assert time.monotonic() - started < 5
        log = server.log
        assert f"listening on https://127.0.0.1:{server.port}, http://127.0.0.1:{server.plain_port}" in log
        assert "stopped" in log
        assert "Traceback" not in log


# --- The server ----------------------------------------------------------------------------------------------


def _build_app(after_fork: list[int]) -> Callable[..., Any]:
    import gc

    from gunicorn.http.errors import InvalidHeader

    built_by = os.getpid()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def answer(body: bytes, status: str = "200 OK") -> list[bytes]:
            headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
            start_response(status, headers)
            return [body]

        path = environ["PATH_INFO"]
        if path == "/noread":
            return answer(b"no thanks")
        if path == "/big":
            return answer(b"x" * 30_000_000)
        if path == "/sleep":
            time.sleep(1)
            return answer(b"slept")
        if path == "/naive":
            return answer(b"%d" % len(environ["wsgi.input"].read()))
        try:
            body = environ["wsgi.input"].read()
        except OSError as exc:
            return answer(type(exc).__name__.encode(), "500 Internal Server Error")
        if path == "/boom":
            raise InvalidHeader(f"boom {body!r}")  # even one of the parser's own classes
        if path == "/refused":
            raise ConnectionRefusedError(f"the database, say {body!r}")
        if path == "/timeout":
            raise TimeoutError(f"the database again {body!r}")
        if path == "/exit":
            sys.exit(f"exit {body!r}")
        if path == "/badheader":
            start_response("200 OK", [("X-Bad", "a\r\nb")])
            return [b""]
        if path == "/silent":
            return []
        if path == "/half":
            return _half(start_response)
        if path == "/stream":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return iter([b"one", b"", b"two"])
        seen = {key: value for key, value in environ.items() if isinstance(value, str)}
        seen |= {"length": len(body), "sha": hashlib.sha256(body).hexdigest(), "pid": os.getpid()}
        seen |= {"built_by": built_by, "after_fork": after_fork, "frozen": gc.get_freeze_count()}
        return answer(json.dumps(seen).encode())

    return app


def _half(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "8")])
    yield b"half"
    raise RuntimeError(SECRET)


def _serve() -> None:
    import logging

    from soap_service.server.application import ServerOptions, VoucherServer

    options = json.loads(sys.argv[1])
    for name in ("certfile", "keyfile"):
        options[name] = Path(options[name])
    forked: list[int] = []

    def after_fork() -> None:
        forked.append(os.getpid())
        print("BOOTED", flush=True)

    def access_log(environ: Any, status: int, size: int, seconds: float) -> None:
        entry = {"scheme": environ["wsgi.url_scheme"], "path": environ.get("PATH_INFO")}
        entry |= {"status": status, "size": size, "seconds": seconds}
        os.write(1, f"ACCESS {json.dumps(entry)}\n".encode())

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    server_options = ServerOptions(**options, after_fork=after_fork, access_log=access_log)
    VoucherServer(server_options, lambda: _build_app(forked)).run()


if __name__ == "__main__":
    _serve()
