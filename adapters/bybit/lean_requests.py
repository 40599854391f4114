"""Lean requests: requests' session without what a signed order never needs.

Enters: the requests pybit signs. Stays out: connecting (requests' own adapter and its pool, TLS and all), meanings.
Much of the time between a decision and its first byte went into merging cookies, hooks, proxies and redirects that do
not exist here. A POST with a body that is written already is put together in one step and, where a connection stands
open, sent over it as one piece; whatever happens then is raised as requests raises it. Every request is sent once.
Without an open connection it goes the long way, which makes one; reads always do.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from datetime import timedelta
from http.client import HTTPException, HTTPResponse
from typing import Any

import requests
from requests.cookies import RequestsCookieJar
from requests.exceptions import ConnectionError as Broken
from requests.exceptions import InvalidHeader, ReadTimeout
from requests.structures import CaseInsensitiveDict
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ProtocolError

_ANY_ZLIB = 47  # zlib's window bits for "gzip or deflate, look for yourself"


class LeanSession(requests.Session):
    """pybit's `client`. No cookie is kept, no redirect followed, no proxy taken from the environment."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0
        self._pools: dict[str, tuple[HTTPConnectionPool, str, str]] = {}  # by address: its pool, path and host

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Put a request together; the long way unless it is a POST whose body is text."""
        if request.method != "POST" or not isinstance(request.data, str) or not request.url:
            return super().prepare_request(request)
        body = request.data.encode()
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        headers: Any = {**self.headers, **request.headers, "Content-Length": str(len(body))}
        prepared.headers = headers
        prepared.body = body
        return prepared

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Send once; raises what requests raises. A redirect is an answer like any other: its status is not 200."""
        if request.method != "POST":
            return super().send(request, **settings)
        began = time.perf_counter()
        timeout = settings.get("timeout")
        response = self._send_over_open(request, timeout)
        if response is None:
            adapter = self.get_adapter(url=request.url or "")
            response = adapter.send(_completed(request), stream=False, timeout=timeout, verify=self.verify is not False)
            response.content  # noqa: B018 - read whole, so that the connection goes back to its pool
        response.elapsed = timedelta(seconds=time.perf_counter() - began)
        return response

    def close(self) -> None:
        self._pools.clear()
        super().close()

    def _send_over_open(self, request: requests.PreparedRequest, timeout: Any) -> requests.Response | None:
        """Send over the connection that stands open; None when there is none, and nothing was sent."""
        pool, path, host = self._pool_of(request)
        head = _head(path, host, request.headers.items())
        connection: Any = pool._get_conn()  # noqa: SLF001 - one that the other end has closed comes back closed
        if connection.sock is None or not isinstance(request.body, bytes):
            pool._put_conn(connection)  # noqa: SLF001
            return None
        answer: HTTPResponse | None = None
        kept = False
        try:
            connection.sock.settimeout(timeout[1] if isinstance(timeout, tuple) else timeout)
            connection.sock.sendall(head + request.body)
            answer = HTTPResponse(connection.sock, method="POST")
            answer.begin()
            content = answer.read()
            kept = not answer.will_close
        except TimeoutError as error:
            raise ReadTimeout(error, request=request) from error
        except (OSError, HTTPException) as error:
            raise Broken(ProtocolError("Connection aborted.", error), request=request) from error
        finally:
            if answer is not None:
                answer.close()
            if not kept:
                connection.close()  # what might still come over it belongs to a request that is over
            pool._put_conn(connection)  # noqa: SLF001
        return _response(request, answer, content)

    def _pool_of(self, request: requests.PreparedRequest) -> tuple[HTTPConnectionPool, str, str]:
        url = request.url or ""
        known = self._pools.get(url)
        if known is None:
            adapter: Any = self.get_adapter(url)
            pool = adapter.get_connection_with_tls_context(request, self.verify is not False)
            host = request.url.partition("://")[2].partition("/")[0] if request.url else ""
            known = self._pools[url] = (pool, request.path_url, host)
        return known


def _completed(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add what requests' own adapter looks for."""
    request.headers = CaseInsensitiveDict(request.headers)
    request._cookies = RequestsCookieJar()  # type: ignore[attr-defined]  # noqa: SLF001 - the adapter reads it
    return request


def _head(path: str, host: str, headers: Iterable[tuple[str, Any]]) -> bytes:
    """Write a request's head. An answer is wanted as it is, not packed: it is a few hundred bytes.

    Raises InvalidHeader: a value would end its line.
    """
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers if name != "Accept-Encoding"]
    if any("\r" in line or "\n" in line for line in lines):
        raise InvalidHeader("a header's value goes over its line")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _response(request: requests.PreparedRequest, answer: HTTPResponse, content: bytes) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = answer.reason
    response.headers = CaseInsensitiveDict(answer.getheaders())
    response.url = request.url or ""
    response.request = request
    response.encoding = "utf-8"
    if response.headers.get("Content-Encoding", "identity") in {"gzip", "deflate"}:
        content = zlib.decompress(content, _ANY_ZLIB)
    response._content = content  # noqa: SLF001 - as requests' own adapters do for what is read already
    return response
