"""The end of a test server: by error, by blow or by the end of the run, nothing of it stays behind."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support import postgres_host
from tests.support.postgres import PostgresServer
from tests.support.postgres_host import PostgresUnavailableError, is_alive
from tests.support.postgres_probe import (
    left_of,
    own_server,
    processes_of,
    reachable_directory,
    script,
    shared_memory,
    system_v_segments,
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach, which pytest's own are not."""
    with reachable_directory() as directory:
        yield directory


def test_nothing_stays_behind_an_error_and_a_kill() -> None:
    children = psutil.Process().children()
    with pytest.raises(ZeroDivisionError), own_server("wheel") as server:  # noqa: PT012  (it is looked at)
        directory, address, processes = server.directory, server.libpq(), processes_of(server)
        guards = set(psutil.Process().children()) - set(children) - set(processes)
        assert len(guards) == 1
        server.kill()
        server.start()
        segment, files = shared_memory(server)
        if sys.platform == "linux":
            assert segment in system_v_segments()
            assert files
        server.kill()
        raise ZeroDivisionError
    assert not left_of(directory, [*processes, *guards])
    assert psutil.Process().children() == children
    assert segment not in system_v_segments()
    assert not [file for file in files if file.exists()]
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(address)
    server.close()


def test_nothing_stays_behind_an_interrupted_run() -> None:
    """Ctrl-C reaches the whole process group; SIGKILL leaves nobody but the guard."""
    code = """
    import json, os, psutil, time
    from tests.support.postgres import OWN, running_postgres
    with running_postgres(ways=OWN) as server:
        pids = [child.pid for child in psutil.Process().children(recursive=True)]
        print(json.dumps([str(server.directory), pids]), flush=True)
        time.sleep(60)
    """
    blows = (signal.SIGINT, signal.SIGKILL)
    runs = [script(code, stderr=subprocess.DEVNULL, start_new_session=True) for _ in blows]
    for run, blow in zip(runs, blows, strict=True):
        assert run.stdout is not None
        with run.stdout:
            directory, pids = json.loads(run.stdout.readline())
        processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        assert len(processes) > 2
        assert Path(directory).is_dir()
        os.killpg(run.pid, blow)
        assert run.wait(20) != 0
        deadline = time.monotonic() + (20 if blow == signal.SIGKILL else 0)
        while left_of(Path(directory), processes) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left_of(Path(directory), processes)


def test_an_ordinary_user_gets_a_server_by_both_ways_and_atexit_ends_it(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root: every other test here already runs as an ordinary user")
    user = pwd.getpwnam("nobody")
    wheel = postgres_host.reachable_binaries(postgres_host.wheel_binaries()[0], user, place)
    # The interpreter or the checkout may be closed to this user: imports first, then root is given up for good.
    run = script(
        f"""
        import concurrent.futures.thread, json, os, pathlib, psutil, psycopg
        from tests.support import postgres
        wheel = postgres.Binaries(pathlib.Path({str(wheel.directory)!r}), {wheel.version}, "wheel")
        postgres.wheel_binaries = lambda: [wheel]
        os.setgroups([]); os.setgid({user.pw_gid}); os.setuid({user.pw_uid})
        found = [way for way in postgres.OWN if way == "wheel" or postgres.installed_binaries()]
        with concurrent.futures.ThreadPoolExecutor() as threads:
            servers = list(threads.map(lambda way: postgres.open_postgres(ways=(way,)), found))
        for server in servers:
            server.create_database("x")
            with psycopg.connect(server.libpq("x")) as connection:
                assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
        pids = [child.pid for child in psutil.Process().children(recursive=True)]
        uids = list({{tuple(psutil.Process(pid).uids()) for pid in pids}})
        print(json.dumps([uids, pids, [str(server.directory) for server in servers]]))
        """,
        cwd="/",
    )
    output, _ = run.communicate(timeout=40)
    assert run.returncode == 0
    uids, pids, directories = json.loads(output)
    assert uids == [[user.pw_uid] * 3]
    assert len(directories) == 1 + bool(postgres_host.installed_binaries())
    assert len(pids) > 4 * len(directories)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and is_alive(psutil.Process(pid))]
    assert not [directory for directory in directories if Path(directory).exists()]


def test_all_workers_share_one_server_that_ends_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.support.postgres import share_with_workers\n\n"
        "def pytest_configure(config):\n    share_with_workers(config)\n"
    )
    (tmp_path / "test_share.py").write_text(
        textwrap.dedent(
            """
            import os, pathlib, psycopg
            from tests.support.postgres import running_postgres

            def test_here():
                with running_postgres() as server, psycopg.connect(server.libpq()) as connection:
                    question = "SELECT current_setting('data_directory'), pg_postmaster_start_time()::text"
                    seen = [server.way, server.url(), *connection.execute(question).fetchone()]
                pathlib.Path(__file__).with_name(os.environ["PYTEST_XDIST_WORKER"]).write_text("\\n".join(seen))
            """
        )
    )
    arguments = ["-p", "xdist", "-n2", "--dist=each", "-q", "-p", "no:cacheprovider", "."]
    code = f"""
    import os, pytest, sys
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # quicker
    sys.exit(pytest.main({arguments}))
    """
    run = script(code, cwd=tmp_path)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    seen = [(tmp_path / worker).read_text() for worker in ("gw0", "gw1")]
    assert seen[0] == seen[1]
    way, address, directory, _started = seen[0].splitlines()
    assert way == "address"
    assert not Path(directory).parent.exists()
    with pytest.raises(PostgresUnavailableError):
        PostgresServer.at(address)
