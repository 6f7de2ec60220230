"""Several processes of the test project that share a cache, a database and a B2, with nginx in front of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from b2router.emulator import Emulator
from tests import services
from tests.processes import free_port
from tests.servers import ROOT, Server, serving


def site(folder: Path, cache: str, database: str | None = None) -> dict[str, str]:
    """What the environment says of a site's cache and database, whose tables are made.

    Args:
        folder: where a SQLite database goes.
        cache: as B2ROUTER_TEST_CACHE takes it.
        database: as B2ROUTER_TEST_DATABASE takes it; None for a SQLite file.
    """
    variables = {"B2ROUTER_TEST_CACHE": cache, "B2ROUTER_TEST_DATABASE": database or str(folder / "site.sqlite3")}
    environment = {**os.environ, **variables, "DJANGO_SETTINGS_MODULE": "tests.project.settings"}
    migrate = ["migrate", "--skip-checks"]  # there is no B2 yet
    for command in ([*migrate, "auth"], [*migrate, "sessions"], ["createcachetable"]):
        argv = [sys.executable, "-m", "django", *command]
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return variables


@dataclass
class Host:
    """A server that can lose its life, and be started again at the same port."""

    kind: str
    b2: Emulator
    folder: Path
    variables: Mapping[str, str]
    workers: int = 1
    threads: int = 4
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._running = ExitStack()
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        """The server that runs now."""
        assert self._server is not None, "It is not running."
        return self._server

    def start(self) -> None:
        """Run; returns when it takes connections."""
        shape = (self.port, self.workers, self.threads)
        running = serving(self.kind, self.b2, self.folder, *shape, **self.variables)
        self._server = self._running.enter_context(running)

    def stop(self) -> None:
        """End as an orderly host does."""
        self._running.close()
        self._server = None

    def kill(self) -> None:
        """End without a chance to tidy up, all processes of it at once."""
        os.killpg(self.server.process.pid, signal.SIGKILL)
        self.stop()


@dataclass(frozen=True)
class Fleet:
    """What stands behind one address.

    Attributes:
        port: of nginx.
        hosts: those that it shares requests out to.
    """

    port: int
    hosts: list[Host]


@contextmanager
def fleet(b2: Emulator, folder: Path, variables: Mapping[str, str]) -> Iterator[Fleet]:
    """nginx before two hosts with gunicorn of four threads, and two with uvicorn: four processes in all."""
    hosts = [Host(kind, b2, folder, variables) for kind in ("gunicorn", "gunicorn", "uvicorn", "uvicorn")]
    port = free_port()
    conf = services.nginx_conf(
        folder,
        f"""
    access_log off;
    upstream site {{ {" ".join(f"server 127.0.0.1:{host.port};" for host in hosts)} }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 16m;
        location / {{
            proxy_pass http://site;
            proxy_set_header Host $http_host;
            proxy_read_timeout 120s;
        }}
    }}
""",
    )
    with ExitStack() as running:
        for host in hosts:
            running.callback(host.stop)
            host.start()
        running.enter_context(services.nginx(conf, port))
        yield Fleet(port, hosts)
