"""The web servers that sites run under, with the same settings for every site; each starts in its own processes."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import usage
from benchmarks.processes import BenchmarkError, Child, environment, free_port
from benchmarks.stage import PUBLIC, ROOT, Plan, Stage
from benchmarks.transfers import Address, answers

READY = "/bench/ready/"
TIMEOUT_S = "600"
SITES = Path(__file__).resolve().parent / "sites"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    address: Address
    child: Child
    files: str  # what stands before a file's name in its path
    members_files: str | None = None  # the same for files that only some may read; None: it knows no permissions
    takes_uploads: bool = False

    @property
    def pids(self) -> list[int]:
        """Its processes, now."""
        return usage.tree(self.child.pid)


@dataclass(frozen=True, slots=True)
class Site:
    """A Django site and the interpreter that has its package."""

    settings: str
    python: Path
    needs_cache_table: bool = False


@contextmanager
def run_site(stage: Stage, site: Site, server: str, *, workers: int) -> Iterator[Running]:
    """Run a site under gunicorn or uvicorn until the caller is done; its state begins empty.

    Raises:
        BenchmarkError: it does not start.
    """
    folder = stage.state_folder(server)
    env = environment(
        DJANGO_SETTINGS_MODULE=site.settings,
        PYTHONPATH=os.pathsep.join([str(SITES), str(ROOT)] if site.settings.startswith("b2router") else [str(SITES)]),
        BENCH_STATE=str(folder),
        BENCH_REALM=stage.emulator.url,
        BENCH_KEY_ID=stage.key_id,
        BENCH_KEY=stage.key,
    )
    if site.needs_cache_table:
        with Child([site.python, "-m", "django", "createcachetable"], folder / "setup.log", env) as setup:
            setup.wait_for_end()
    address = Address("127.0.0.1", free_port())
    argv = [str(site.python), "-m", server, *_options(server, address, workers, stage.plan)]
    with Child(argv, folder / "server.log", env) as child:
        child.wait_until(lambda: answers(address, READY))
        yield Running(address, child, "/b2/", "/b2s/", takes_uploads=True)
    shutil.rmtree(folder, ignore_errors=True)


def _options(server: str, address: Address, workers: int, plan: Plan) -> list[str]:
    if server == "gunicorn":
        bind = ["--bind", f"{address.host}:{address.port}", "--workers", str(workers)]
        threads = ["--worker-class", "gthread", "--threads", str(plan.threads), "--keep-alive", "10"]
        return [*bind, *threads, "--timeout", TIMEOUT_S, "--log-level", "warning", "common.wsgi:application"]
    bind = ["--host", address.host, "--port", str(address.port), "--workers", str(workers)]
    quiet = ["--no-access-log", "--log-level", "warning", "--lifespan", "off", "--timeout-keep-alive", "10"]
    return [*bind, *quiet, "common.asgi:application"]


def nginx() -> Path | None:
    """Where nginx is, if it is installed."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    return None if found is None else Path(found)


@contextmanager
def run_nginx(stage: Stage) -> Iterator[Running]:
    """Run nginx as a proxy of one bucket: the same bytes, no Django, no permission.

    Raises:
        BenchmarkError: it is not installed, or does not start.
    """
    program = nginx()
    if program is None:
        raise BenchmarkError("nginx is not installed.")
    folder = stage.state_folder("nginx")
    address = Address("127.0.0.1", free_port())
    config = folder / "nginx.conf"
    config.touch(mode=0o600)  # it holds the token
    config.write_text(_configuration(stage, folder, address))
    argv: list[str | Path] = [program, "-p", folder, "-c", config, "-e", folder / "error.log", "-g", "daemon off;"]
    with Child(argv, folder / "server.log") as child:
        child.wait_until(lambda: answers(address, READY))
        yield Running(address, child, "/b2/")
    shutil.rmtree(folder, ignore_errors=True)


def _configuration(stage: Stage, folder: Path, address: Address) -> str:
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    token = stage.api.account_info.get_account_auth_token()
    return f"""{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes {stage.plan.workers};
events {{ worker_connections 256; }}
http {{
{temporary}
  access_log off;
  sendfile on;
  tcp_nopush on;
  upstream b2 {{ server {stage.emulator.host}:{stage.emulator.port}; keepalive 16; }}
  server {{
    listen {address.host}:{address.port};
    location = {READY} {{ return 200; }}
    location /b2/ {{
      proxy_pass http://b2/file/{PUBLIC}/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "{token}";
      proxy_buffers 16 64k;
      proxy_buffer_size 64k;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
"""
