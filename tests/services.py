"""Real services for tests: Redis, Memcached, PostgreSQL and nginx, each on a free port with its files in a folder.

A service that is not installed skips its tests, and says which package has it. Where the environment variable
B2ROUTER_REQUIRE names it ("nginx,redis", or "all"), that is a failure instead.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import daemon, free_port, listens

PACKAGES = {
    "nginx": "nginx-light",
    "redis": "redis-server",
    "memcached": "memcached",
    "postgresql": "postgresql",
}
"""Services, and the package of Debian and Ubuntu that has each."""


def need(service: str, program: str) -> str:
    """Where a program of a service is; without it the test is skipped, or fails where the service is required.

    Args:
        service: a key of PACKAGES.
        program: its name, such as "redis-server".
    """
    beside_path = ["/usr/sbin", "/usr/local/sbin", *_newest_first("/usr/lib/postgresql")]
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *beside_path]))
    if found is None:
        text = f"{program} is not installed: apt-get install {PACKAGES[service]}"
        required = os.environ.get("B2ROUTER_REQUIRE", "").replace(" ", "").split(",")
        if service in required or "all" in required:
            pytest.fail(text)
        pytest.skip(text)
    return found


def _newest_first(folder: str) -> list[str]:
    versions = sorted(Path(folder).glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return [str(path) for path in versions]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        url: where it is, as B2ROUTER_TEST_CACHE or B2ROUTER_TEST_DATABASE take it.
        flush: makes it lose all that the cache keeps there.
    """

    url: str
    flush: Callable[[], None]


@contextmanager
def redis(folder: Path) -> Iterator[Service]:
    """A Redis that writes nothing to disk."""
    program, port = need("redis", "redis-server"), free_port()
    argv = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(folder),
    ]
    with daemon(argv, folder / "redis.log", lambda: _says(port, b"PING\r\n") == b"+PONG\r\n"):
        yield Service(f"redis://127.0.0.1:{port}/0", lambda: _asked(port, b"FLUSHALL\r\n", b"+OK\r\n"))


@contextmanager
def memcached(folder: Path) -> Iterator[Service]:
    """A Memcached of the usual 64 MiB."""
    program, port = need("memcached", "memcached"), free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    argv = [program, "-l", "127.0.0.1", "-p", str(port), "-U", "0", *user]
    with daemon(argv, folder / "memcached.log", lambda: _says(port, b"version\r\n").startswith(b"VERSION")):
        yield Service(f"memcached://127.0.0.1:{port}", lambda: _asked(port, b"flush_all\r\n", b"OK\r\n"))


@contextmanager
def postgresql() -> Iterator[Service]:
    """A PostgreSQL with an empty database; it keeps no file to itself, and does not wait for the disk."""
    programs = Path(need("postgresql", "initdb")).resolve().parent  # what is on PATH may be a link without siblings
    port, user, runs_as = free_port(), "b2router", []
    folder = Path(tempfile.mkdtemp(prefix="b2router-postgresql-"))  # pytest's own folders are closed to other users
    try:
        if os.geteuid() == 0:  # which PostgreSQL refuses
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            runs_as = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--init-groups", "--"]
        data, log = str(folder / "data"), folder / "postgresql.log"
        options = ["-A", "trust", "-U", user, "-E", "UTF8", "--locale=C", "--no-sync"]
        made = [*runs_as, str(programs / "initdb"), "-D", data, *options]
        subprocess.run(made, check=True, capture_output=True, cwd="/")
        argv = [*runs_as, str(programs / "postgres"), "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
        argv += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
        asked = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        url = f"postgresql://{user}@127.0.0.1:{port}/postgres"
        # SIGINT, because SIGTERM waits for Django's connections
        with daemon(argv, log, lambda: subprocess.run(asked).returncode == 0, stop=signal.SIGINT, cwd="/"):
            yield Service(url, lambda: _truncate(url))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def nginx(conf: Path, port: int) -> Iterator[None]:
    """An nginx.

    Args:
        conf: its configuration, by `nginx_conf`.
        port: that the configuration makes it listen on.
    """
    log = conf.parent / "nginx-start.log"
    argv = [need("nginx", "nginx"), "-p", str(conf.parent), "-c", str(conf), "-e", str(log)]
    with daemon(argv, log, lambda: listens(port)):
        yield


def nginx_conf(folder: Path, http: str) -> Path:
    """A whole configuration of an nginx that reads and writes nothing of this machine's outside of a folder.

    Args:
        http: what stands in its context `http`.
    """
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    conf = folder / "nginx.conf"
    conf.write_text(f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log info;
events {{ worker_connections 256; }}
http {{
    {" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)}
    {http}
}}
""")
    return conf


def _says(port: int, words: bytes) -> bytes:
    """What a service answers; nothing when it does not listen."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(words)
            return connection.recv(1024)
    except ConnectionError:
        return b""


def _asked(port: int, words: bytes, expected: bytes) -> None:
    answer = _says(port, words)
    assert answer == expected, f"{words!r} was answered {answer!r}"


def _truncate(url: str) -> None:
    import psycopg

    from tests.project.settings import CACHE_TABLE

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {CACHE_TABLE}")  # a name of ours, nobody's input
