"""HTTP connections that keep a total time: not one call to Xero can outlast it.

The time-outs of `requests` hold for each read from the socket, so a server that sends a byte every
few seconds could keep a call alive for ever, longer than the lease of whoever makes it. Here a
watch cuts the connection when the whole exchange is out of time, and a request that is late is
never sent.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as urllib3_errors
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from dashboard.xero.errors import XeroError, XeroNoAnswer, XeroUnavailable

TOTAL_SECONDS = 20.0
CONNECT_SECONDS = 5.0
# A page of 1,000 contacts is 1.5 MB and a file that a person uploaded in Xero at most 25 MB.
LARGEST_BODY = 32 * 1024 * 1024
_CHUNK = 64 * 1024

_watch: ContextVar[_Watch | None] = ContextVar("xero_exchange_watch", default=None)


class _Watch:
    """The time of one exchange, what has happened in it, and the socket to cut when it is over."""

    def __init__(self, total: float, connect: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._total = total
        self._ends_at = monotonic() + total
        self._connect = connect
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._expired = False
        self.dialled = False
        self.reused = False
        self.sent = False
        self.answered = False

    @property
    def remaining(self) -> float:
        return max(self._ends_at - self._monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        return self._expired or self.remaining == 0

    @property
    def connect_seconds(self) -> float:
        # A socket's time-out of 0 would mean "do not block".
        return max(min(self._connect, self.remaining), 0.001)

    def hold(self, held: socket.socket) -> None:
        with self._lock:
            self._socket = held

    @contextmanager
    def running(self) -> Iterator[None]:
        alarm = threading.Timer(self._total, self._cut)
        alarm.daemon = True
        token = _watch.set(self)
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()
            with self._lock:
                self._socket = None
            _watch.reset(token)

    def _cut(self) -> None:
        with self._lock:
            self._expired = True
            if self._socket is None:
                return
            try:
                # Not the TLS socket's own shutdown: that would turn a read under way into plain
                # text.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                # It was closed in the same moment, which is what we want.
                return

    def no_answer(self, error: Exception) -> XeroNoAnswer:
        """Return what *error* means; the error itself holds the whole request, so it is dropped."""
        if self.is_over:
            why = f"Xero did not answer within {self._total:.0f} seconds."
        elif isinstance(error, requests.Timeout | urllib3_errors.TimeoutError):
            why = "Xero took too long to answer."
        elif self.dialled and not self.sent:
            why = "Xero could not be reached."
        else:
            why = "The connection to Xero broke."
        # `dialled` is False when no connection of ours was involved: then assume the worst.
        never_sent = isinstance(error, requests.ConnectTimeout) or (self.dialled and not self.sent)
        dropped = self.reused and not self.answered and _is_drop(error) and not self.is_over
        return XeroNoAnswer(why, maybe_sent=not never_sent, dropped_idle=dropped)


def _is_drop(error: Exception) -> bool:
    return isinstance(error, requests.ConnectionError) and not isinstance(error, requests.Timeout)


class _Watched:
    """What both kinds of connection add: their socket is known to the watch, late requests stay."""

    sock: Any
    timeout: Any
    # `http.client` prints whole requests, tokens included, when somebody raises its own level.
    debuglevel = 0

    def connect(self) -> None:
        watch = _watch.get()
        if watch is None:
            super().connect()  # type: ignore[misc]
            return
        watch.dialled = True
        watch.reused = False
        whole = self.timeout
        self.timeout = watch.connect_seconds
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self.timeout = whole
        self.sock.settimeout(whole)
        watch.hold(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        watch = _watch.get()
        if watch is not None and self.sock is not None:
            watch.reused = not watch.dialled
            watch.dialled = True
            watch.hold(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        watch = _watch.get()
        if watch is not None:
            if self.sock is None:
                # Otherwise the first bytes would leave in the same breath as the connecting.
                self.connect()
            if watch.is_over:
                raise TimeoutError("The time for this request was over before it was sent.")
            watch.sent = True
        super().send(data)  # type: ignore[misc]


class _PlainConnection(_Watched, HTTPConnection):
    pass


class _TlsConnection(_Watched, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(HTTPAdapter):
    """A pool of connections on which an exchange, body included, takes at most *total* seconds.

    Raises `XeroNoAnswer` when no whole answer came and `XeroUnavailable` for an answer that is
    larger than any honest one. A `timeout` given to a request shortens its total.
    """

    def __init__(
        self,
        *,
        total: float = TOTAL_SECONDS,
        connect: float = CONNECT_SECONDS,
        largest_body: int = LARGEST_BODY,
        pool_size: int = 10,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._connect = connect
        self._largest_body = largest_body
        self._monotonic = monotonic
        self._pool_size = pool_size
        self._process = os.getpid()
        super().__init__(pool_connections=4, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """Make the pools, with our connections in them."""
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def send(  # noqa: PLR0917 - the signature is the one of requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Return the whole answer to *request*, its body already read."""
        self._leave_the_parents_connections()
        total = min(timeout, self._total) if isinstance(timeout, int | float) else self._total
        watch = _Watch(total, self._connect, self._monotonic)
        failure: XeroError
        with watch.running():
            try:
                response = super().send(
                    request,
                    stream=True,
                    timeout=(total, total),
                    verify=verify,
                    cert=cert,
                    proxies=proxies,
                )
                watch.answered = True
                return self._with_body(response, watch)
            except XeroError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever broke, its words may be the request
                failure = watch.no_answer(error)
        # Raised outside the handler, so that no traceback leads to the request and its token.
        raise failure

    def _with_body(self, response: requests.Response, watch: _Watch) -> requests.Response:
        whole = False
        try:
            response._content = self._body(response, watch)
            whole = True
        finally:
            if not whole:
                # What is left unread must not be taken for the next answer.
                response.close()
        return response

    def _body(self, response: requests.Response, watch: _Watch) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._largest_body:
                raise XeroUnavailable(
                    "Xero's answer is larger than anything we ask for.",
                    status=response.status_code,
                )
        if watch.is_over:
            # Where a body ends with its connection, cutting it looks like its end.
            raise requests.Timeout
        return bytes(body)

    def _leave_the_parents_connections(self) -> None:
        # RQ forks for each job; two processes that read from one socket would mix up their answers.
        if self._process != os.getpid():
            self._process = os.getpid()
            self.init_poolmanager(4, self._pool_size)
