#!/usr/bin/env python3
"""Start an application server on a socket that sends small answers at once and lets go of visitors who stop reading.

python examples/listen.py 127.0.0.1:8000 -- uvicorn acme.asgi:application --workers 4 --fd {fd}
python examples/listen.py 127.0.0.1:8000 -- gunicorn acme.wsgi --worker-class gthread --threads 32 --bind fd://{fd}

Linux hands the options of a listening socket on to every connection that it accepts, whatever the server does. The
standard library is all that is needed.
"""

from __future__ import annotations

import argparse
import os
import socket


def listen(host: str, port: int, give_up_s: float) -> socket.socket:
    """Open the socket.

    Args:
        host: name or address to listen on.
        port: the TCP port; 0 for a free one.
        give_up_s: after so many seconds in which a visitor takes nothing of what waits, the connection ends.
    Source: tcp(7), TCP_NODELAY and TCP_USER_TIMEOUT.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(give_up_s * 1000))
    listener.set_inheritable(True)
    return listener


def main() -> None:
    """Listen, and become the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="HOST:PORT")
    parser.add_argument("--give-up", type=float, default=60, metavar="SECONDS", help="default %(default)s")
    parser.add_argument("command", nargs="+", help="the server; {fd} in it is the number of the socket")
    options = parser.parse_args()
    host, colon, port = options.address.rpartition(":")
    if not colon or not port.isdecimal():
        parser.error(f"{options.address!r} is not HOST:PORT, such as 127.0.0.1:8000")
    listener = listen(host.strip("[]"), int(port), options.give_up)
    command = [word.replace("{fd}", str(listener.fileno())) for word in options.command]
    os.execvp(command[0], command)  # noqa: S606 - the server that was asked for, without a shell


if __name__ == "__main__":
    main()
