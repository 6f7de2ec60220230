#!/usr/bin/env python3
"""Run the example site on a B2 of its own, on this machine; nothing but b2router has to be installed.

python examples/site/demo.py             start everything, print the address and the logins, run until Ctrl-C
python examples/site/demo.py --fresh     the same, with nothing kept from earlier runs
python examples/site/demo.py --check     try it all without a person: exit 0 when everything is as declared
"""

from __future__ import annotations

import argparse
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import front
from cdn import Cdn, Zone

try:
    from b2router.emulator import Emulator
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("b2router"):
        raise
    sys.exit("The demo needs b2router itself. At the top of the repository: python3 noxfile.py demo")

SITE_DIR = Path(__file__).resolve().parent
PUBLIC_BUCKETS = ("acme-assets", "acme-catalogue")
PRIVATE_BUCKETS = (
    "acme-public", "acme-members", "acme-staff", "acme-talks", "acme-exports", "acme-ledgers", "acme-prints",
    "acme-invoices",
)  # fmt: skip
BUCKETS = (*PRIVATE_BUCKETS, *(f"{name}:public" for name in PUBLIC_BUCKETS))
READY_TIMEOUT_S = 60


class Demo:
    """Emulator, a stand-in for a CDN, the site, and nginx before it if there is one; started and stopped together.

    Args:
        data_dir: where the database, the secret key, the log and the emulator's files are kept.
        port: where the site listens on 127.0.0.1; None takes 8000 when it is free, else any.
        overrides: further environment variables for the site, which win over all others.
        nginx: path of the program; None for a demo without it.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        overrides: Mapping[str, str] | None = None,
        nginx: str | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.overrides = overrides or {}
        self._may_move = not port  # 0: any port, as None, but not the customary one first
        self._use(port or free_port(preferred=8000 if port is None else 0))
        self.log = data_dir / "server.log"
        self.nginx = nginx
        self._kept = ExitStack()
        self._servers: list[subprocess.Popen[bytes]] = []

    def _use(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        if not self._may_move and free_port(self.port) != self.port:
            sys.exit(f"Port {self.port} on 127.0.0.1 is taken; choose another with --port.")
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self.emulator = Emulator(data_dir=self.data_dir / "b2-emulator", buckets=BUCKETS)
            self.emulator.start()
        except (OSError, RuntimeError) as error:
            sys.exit(f"{self.data_dir} cannot be used: {error}\nChoose another folder with --data-dir.")
        try:
            say("B2 emulator", self.emulator.url)
            self.key_id, self.key = self.emulator.create_key()  # B2's S3 API does not take the master key
            secret = secrets.token_urlsafe(24)
            cdn_key = self.emulator.create_key(["listBuckets", "readFiles"])
            zones = {"assets": Zone("acme-assets"), "prints": Zone("acme-prints", secret)}
            self.cdn = self._kept.enter_context(Cdn(self.emulator.url, *cdn_key, zones))
            say("CDN", f"{self.cdn.url} (a stand-in)")
            self.environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith("BACKBLAZE_")},
                "PYTHONUNBUFFERED": "1",
                "DJANGO_SETTINGS_MODULE": "acme.settings",
                "ACME_DATA_DIR": str(self.data_dir),
                "ACME_SECRET_KEY": self._secret_key(),
                "BACKBLAZE_REALM": self.emulator.url,
                "BACKBLAZE_APPLICATION_KEY_ID": self.key_id,
                "BACKBLAZE_APPLICATION_KEY": self.key,
                "BACKBLAZE_PROFILES__CATALOGUE__DELIVERY__BASE_URL": self.emulator.url,
                "BACKBLAZE_PROFILES__CDN__DELIVERY__BASE_URL": f"{self.cdn.url}/assets/",
                "BACKBLAZE_PROFILES__PRINTS__DELIVERY__BASE_URL": f"{self.cdn.url}/prints/",
                "BACKBLAZE_PROFILES__PRINTS__DELIVERY__SIGNING__SECRET": secret,
                **({} if self.nginx else {"BACKBLAZE_PROFILES__TALKS__DELIVERY__MODE": "proxy"}),
                **self.overrides,
            }
            say("database", self.data_dir / "site.sqlite3")
            self.manage("migrate", "--verbosity=0")
            say("files", "logins and a few small files for every profile")
            self.manage("seed")
            self._start_servers()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_servers()
        self._kept.close()
        self.emulator.stop()

    def manage(self, *arguments: str, into: Path | None = None) -> None:
        """Run one of the site's commands to its end; what it prints goes into the file, if one is named."""
        command = [sys.executable, str(SITE_DIR / "manage.py"), *arguments]
        with into.open("wb") if into else nullcontext() as output:
            done = subprocess.run(command, env=self.environment, cwd=SITE_DIR, stdout=output)
        if done.returncode:
            sys.exit(f"`manage.py {arguments[0]}` failed; its message stands above.")

    def is_running(self) -> bool:
        return bool(self._servers) and all(server.poll() is None for server in self._servers)

    def _start_servers(self) -> None:
        folder = self.data_dir
        if self.nginx:
            folder = Path(self._kept.enter_context(tempfile.TemporaryDirectory(prefix="b2router-nginx-")))
            for context in ("http", "server"):
                self.manage(
                    "b2router", "nginx", "--resolver=127.0.0.1", f"--context={context}",
                    into=folder / f"b2router-{context}.conf",
                )  # fmt: skip
        for _ in range(5):
            self.log.write_bytes(b"")
            site_port = free_port(0) if self.nginx else self.port
            site = [sys.executable, str(SITE_DIR / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{site_port}"]
            self._launch(site, site_port)
            if self.nginx and self.is_running():
                self._launch(front.command(self.nginx, folder, self.port, site_port), self.port)
            if self.is_running() and answers(self.port):
                say("site", f"{self.url}{' (nginx before it)' if self.nginx else ''}")
                return
            self._stop_servers()
            if not self._may_move or "already in use" not in self.log.read_text(errors="replace"):
                break
            self._use(free_port(0))  # somebody took the port since it was looked at
        sys.exit(f"The site did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def _launch(self, command: list[str], port: int) -> None:
        with self.log.open("ab") as log:
            self._servers.append(
                subprocess.Popen(command, env=self.environment, cwd=SITE_DIR, stdout=log, stderr=subprocess.STDOUT)
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while self.is_running() and not answers(port) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _stop_servers(self) -> None:
        while self._servers:
            server = self._servers.pop()
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    def _secret_key(self) -> str:
        """One key for all runs on this folder, so that a restart signs nobody out."""
        kept = self.data_dir / "secret-key"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_urlsafe(50))
        return kept.read_text()


def say(what: str, detail: object) -> None:
    print(f"  {what:<12} {detail}", flush=True)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/login/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port(preferred: int) -> int:
    """The preferred port when nobody has it, else one that the system names."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    sys.exit("No port is free on 127.0.0.1.")


def forget(data_dir: Path) -> None:
    """Remove what earlier runs kept, and nothing else that may lie in the folder."""
    shutil.rmtree(data_dir / "b2-emulator", ignore_errors=True)
    for name in ("site.sqlite3", "secret-key", "server.log"):
        (data_dir / name).unlink(missing_ok=True)


def run(data_dir: Path, port: int | None, nginx: str | None) -> int:
    """Start everything and stay until Ctrl-C."""
    sys.path.insert(0, str(SITE_DIR))
    from library.people import PEOPLE

    print("Starting the example site:", flush=True)
    with Demo(data_dir, port, nginx=nginx) as demo:
        try:
            print(f"\nOpen {demo.url}\n\nSign in as")
            for person in PEOPLE:
                say(person.username, f"password {person.password:<12} {person.role}")
            print(f"\nRequests are logged to {demo.log}. Ctrl-C stops everything.", flush=True)
            while demo.is_running():
                time.sleep(0.5)
        except KeyboardInterrupt:
            print("\nStopped. The files stay for the next time; --fresh begins anew.")
            return 0
        print(f"The site has ended by itself; see {demo.log}.", file=sys.stderr)
        return 1


def check(port: int | None, nginx: str | None) -> int:
    """Start everything in a folder that is thrown away, and try it as three visitors."""
    sys.path.insert(0, str(SITE_DIR))
    import check as walk

    print("Starting the example site for a check:", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="b2router-demo-") as folder,
        Demo(Path(folder), port or 0, nginx=nginx) as demo,
    ):
        return walk.check(demo.url, demo.emulator)


def main(arguments: list[str]) -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="try the whole site without a person, then exit")
    parser.add_argument("--fresh", action="store_true", help="begin with no files and no database")
    parser.add_argument("--port", type=int, help="of the site on 127.0.0.1; default 8000 when it is free, else any")
    parser.add_argument(
        "--data-dir", type=Path, default=SITE_DIR / "var", help="where files and database stay; default %(default)s"
    )
    parser.add_argument(
        "--no-nginx", action="store_const", const=None, default=front.nginx(), dest="nginx",
        help="put no nginx before the site, although this machine has one",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell that runs this in the background ignores
    try:
        if options.check:
            return check(options.port, options.nginx)
        data_dir = options.data_dir.resolve()
        if options.fresh:
            forget(data_dir)
        return run(data_dir, options.port, options.nginx)
    except KeyboardInterrupt:
        return 130


def _end(number: int, frame: FrameType | None) -> None:
    """End like Ctrl-C does, so that the server and the emulator are stopped as well."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
