"""Accepts connections and runs each in a thread of its own; started and stopped by `server`."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

from b2router.emulator.connection import Connection
from b2router.emulator.world import World

BACKLOG = 1024
MAX_CONNECTIONS = 2000
STOP_S = 5.0


class Listener:
    """A listening socket, its thread, and the connections that are open."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._sock.setblocking(False)
        self.port: int = self._sock.getsockname()[1]
        self._wake, self._wakened = socket.socketpair()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._thread: threading.Thread | None = None

    def start(self, world: World, url: str) -> None:
        """Begin to accept."""
        self._thread = threading.Thread(target=self._accept, args=(world, url), name="b2-emulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, end all connections and wait for their threads."""
        self._wake.send(b"x")
        if self._thread is not None:
            self._thread.join(STOP_S)
        self._sock.close()
        with self._lock:
            connections = list(self._open.items())
        for sock, _ in connections:
            with contextlib.suppress(OSError):  # it may have ended by itself
                sock.shutdown(socket.SHUT_RDWR)
        for _, thread in connections:
            thread.join(STOP_S)
        self._wake.close()
        self._wakened.close()

    def _accept(self, world: World, url: str) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.register(self._wakened, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._wakened in ready:
                    return
                self._accept_waiting(world, url)

    def _accept_waiting(self, world: World, url: str) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return  # nobody waits any more, or the client left the queue
            if len(self._open) >= MAX_CONNECTIONS:
                sock.close()
                continue
            thread = threading.Thread(target=self._run, args=(sock, world, url), daemon=True)
            with self._lock:
                self._open[sock] = thread
            try:
                thread.start()
            except RuntimeError:  # no more threads on this machine
                self._forget(sock)

    def _run(self, sock: socket.socket, world: World, url: str) -> None:
        try:
            Connection(sock, world, url).run()
        finally:
            self._forget(sock)

    def _forget(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.pop(sock, None)
        sock.close()
