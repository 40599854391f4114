"""Lean requests: requests' session without what a signed order never needs.

Enters: the requests pybit signs. Stays out: the wire (requests' own adapter, its pool, its exceptions). Much of the
time between a decision and its first byte went into merging cookies, hooks, proxies and redirects that do not exist
here; a POST with a body that is written already is put together in one step, and sent once. Everything else goes the
long way.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import requests
from requests.cookies import RequestsCookieJar
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict


class LeanSession(requests.Session):
    """pybit's `client`. No cookie is kept, no redirect followed, no proxy taken from the environment."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Put a request together; the long way unless it is a POST whose body is text."""
        if request.method != "POST" or not isinstance(request.data, str) or not request.url:
            return super().prepare_request(request)
        body = request.data.encode()
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        prepared.headers = CaseInsensitiveDict({**self.headers, **request.headers, "Content-Length": str(len(body))})
        prepared.body = body
        prepared.hooks = default_hooks()
        prepared._cookies = RequestsCookieJar()  # type: ignore[attr-defined]  # noqa: SLF001 - the adapter reads it
        return prepared

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Send once; raises what requests raises. A redirect is an answer like any other: its status is not 200."""
        if request.method != "POST":
            return super().send(request, **settings)
        began = time.perf_counter()
        adapter = self.get_adapter(url=request.url or "")
        response = adapter.send(request, stream=False, timeout=settings.get("timeout"), verify=self.verify is not False)
        response.elapsed = timedelta(seconds=time.perf_counter() - began)
        response.content  # noqa: B018 - read whole, so that the connection goes back to its pool
        return response
