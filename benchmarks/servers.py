"""The web servers that sites run under, with the same settings for every site; each starts in its own processes."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import certifi

from benchmarks import usage
from benchmarks.processes import BenchmarkError, Child, environment, free_port, run
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
    behind: Child | None = None  # a further server, on which it relies

    @property
    def pids(self) -> list[int]:
        """Its processes, now."""
        return [pid for child in (self.child, self.behind) if child is not None for pid in usage.tree(child.pid)]


@dataclass(frozen=True, slots=True)
class Tls:
    """Where the emulator speaks TLS, and the certificate by which it is known there."""

    address: Address
    certificate: Path

    @property
    def realm(self) -> str:
        """The address of this B2."""
        return f"https://localhost:{self.address.port}"


@dataclass(frozen=True, slots=True)
class Site:
    """A Django site and the interpreter that has its package."""

    settings: str
    python: Path
    needs_cache_table: bool = False
    key: tuple[str, str] | None = None  # id and secret of its application key; None for the master key
    tls: Tls | None = None  # how it reaches B2; None: in clear


@contextmanager
def run_site(stage: Stage, site: Site, server: str, *, workers: int) -> Iterator[Running]:
    """Run a site under gunicorn or uvicorn until the caller is done; its state begins empty.

    Raises:
        BenchmarkError: it does not start.
    """
    folder = stage.state_folder(server)
    env = environment_of(stage, site, folder)
    if site.needs_cache_table:
        with Child([site.python, "-m", "django", "createcachetable"], folder / "setup.log", env) as setup:
            setup.wait_for_end()
    address = Address("127.0.0.1", free_port())
    argv = [str(site.python), "-m", server, *_options(server, address, workers, stage.plan)]
    with Child(argv, folder / "server.log", env) as child:
        child.wait_until(lambda: answers(address, READY))
        yield Running(address, child, "/b2/", "/b2s/")
    remove(folder)


def environment_of(stage: Stage, site: Site, folder: Path) -> dict[str, str]:
    """The whole environment of a site's process, whose state is in a folder."""
    is_ours = site.python == Path(sys.executable)  # else b2router must not be there
    key_id, key = site.key or (stage.key_id, stage.key)
    return environment(
        DJANGO_SETTINGS_MODULE=site.settings,
        PYTHONPATH=os.pathsep.join([str(SITES), str(ROOT)] if is_ours else [str(SITES)]),
        BENCH_STATE=str(folder),
        BENCH_REALM=stage.emulator.url if site.tls is None else site.tls.realm,
        BENCH_KEY_ID=key_id,
        BENCH_KEY=key,
        BENCH_LARGE_BYTES=str(stage.plan.large_bytes),
        **({} if site.tls is None else {"REQUESTS_CA_BUNDLE": str(site.tls.certificate)}),
    )


def remove(folder: Path) -> None:
    """Forget the state of a site."""
    shutil.rmtree(folder, ignore_errors=True)


def _options(server: str, address: Address, workers: int, plan: Plan) -> list[str]:
    if server == "gunicorn":
        bind = ["--bind", f"{address.host}:{address.port}", "--workers", str(workers)]
        threads = ["--worker-class", "gthread", "--threads", str(plan.threads), "--keep-alive", "10"]
        return [*bind, *threads, "--timeout", TIMEOUT_S, "--log-level", "warning", "common.wsgi:application"]
    bind = ["--host", address.host, "--port", str(address.port), "--workers", str(workers)]
    alike = ["--http", "h11", "--lifespan", "off", "--timeout-keep-alive", "10"]  # httptools may be in one environment
    quiet = ["--no-access-log", "--log-level", "warning"]
    return [*bind, *alike, *quiet, "common.asgi:application"]


def nginx() -> Path | None:
    """Where nginx is, if it is installed."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    return None if found is None else Path(found)


@contextmanager
def run_nginx(stage: Stage, tls: Tls | None = None) -> Iterator[Running]:
    """Run nginx as a proxy of one bucket: the same bytes, no Django, no permission.

    Args:
        stage: what it asks.
        tls: how; None for in clear.
    Raises:
        BenchmarkError: it is not installed, or does not start.
    """
    token = stage.api.account_info.get_account_auth_token()
    address = Address("127.0.0.1", free_port())
    with _nginx(
        stage, address, _proxying(token, tls), "" if tls is None else _upstream("tls_b2", tls.address)
    ) as child:
        yield Running(address, child, "/b2/")


@contextmanager
def run_tls(stage: Stage) -> Iterator[Tls]:
    """Run nginx before the emulator, so that B2 speaks TLS.

    Raises:
        BenchmarkError: nginx or openssl is not installed, or nginx does not start.
    """
    folder = stage.state_folder("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if shutil.which("openssl") is None:
        raise BenchmarkError("openssl is not installed.")
    argv: list[str | Path] = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    argv += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    run(argv, "Making a certificate")
    address = Address("127.0.0.1", free_port())
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    forward = """
    location / {
      proxy_pass http://b2;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto https;
      proxy_request_buffering off;
      proxy_buffers 16 64k;
      proxy_buffer_size 64k;
      proxy_max_temp_file_size 0;
      client_max_body_size 0;
    }
"""
    ready = Address("127.0.0.1", free_port())
    listening = f"server {{ listen {address.host}:{address.port} ssl; {tls} {forward} }}"
    with _nginx(stage, ready, "", listening):
        yield Tls(address, certificate)


def _upstream(name: str, address: Address) -> str:
    return f"upstream {name} {{ server {address.host}:{address.port}; keepalive 16; }}"


@contextmanager
def run_accel(stage: Stage, site: Site) -> Iterator[Running]:
    """Run nginx before a site whose public files it delivers, as `manage.py b2router nginx` says.

    Raises:
        BenchmarkError: nginx is not installed, or one of them does not start.
    """
    address = Address("127.0.0.1", free_port())
    with run_site(stage, site, "gunicorn", workers=stage.plan.workers) as django:
        env = environment_of(stage, site, stage.state_folder("command"))
        command: list[str | Path] = [site.python, "-m", "django", "b2router", "--skip-checks", "nginx"]
        http, server = (
            run([*command, *_WHERE, "--context", context], "Asking for nginx's configuration", env)
            for context in ("http", "server")
        )
        http += f"upstream site {{ server {django.address.host}:{django.address.port}; keepalive 16; }}"
        with _nginx(stage, address, server + _BEFORE_SITE, http) as child:
            yield Running(address, child, "/b2/", behind=django.child)


@contextmanager
def _nginx(stage: Stage, address: Address, server: str, http: str) -> Iterator[Child]:
    program = nginx()
    if program is None:
        raise BenchmarkError("nginx is not installed.")
    folder = stage.state_folder("nginx")
    config = folder / "nginx.conf"
    config.touch(mode=0o600)  # it holds the token
    config.write_text(_configuration(stage, folder, address, server, http))
    argv: list[str | Path] = [program, "-p", folder, "-c", config, "-e", folder / "error.log", "-g", "daemon off;"]
    with Child(argv, folder / "server.log") as child:
        child.wait_until(lambda: answers(address, READY))
        yield child
    shutil.rmtree(folder, ignore_errors=True)


_WHERE = ("--resolver", "127.0.0.1", "--ca-file", certifi.where())
_BEFORE_SITE = """
    location / {
      proxy_pass http://site;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }
"""


def _proxying(token: str, tls: Tls | None) -> str:
    how = "http://b2" if tls is None else "https://tls_b2"
    proof = (
        ""
        if tls is None
        else f"""
      proxy_ssl_trusted_certificate {tls.certificate};
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_set_header Host localhost:{tls.address.port};
"""
    )
    return f"""
    location /b2/ {{
      proxy_pass {how}/file/{PUBLIC}/;{proof}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "{token}";
      proxy_buffers 16 64k;
      proxy_buffer_size 64k;
      proxy_max_temp_file_size 0;
    }}
"""


def _configuration(stage: Stage, folder: Path, address: Address, server: str, http: str) -> str:
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes {stage.plan.workers};
events {{ worker_connections 256; }}
http {{
{temporary}
  access_log off;
  sendfile on;
{http}
  tcp_nopush on;
  {_upstream("b2", stage.emulator)}
  server {{
    listen {address.host}:{address.port};
    location = {READY} {{ return 200; }}
{server}
  }}
}}
"""
