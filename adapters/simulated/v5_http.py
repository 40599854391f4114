"""HTTP: Bybit v5's REST protocol over aiohttp, on loopback.

Enters: requests; answers envelopes with rate-limit headers. Stays out: what the answers say (the endpoints).
Order of events for a request: address limit, fault, signature, rate limit, the act itself, its commit, the answer, and
only then the private stream's messages.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from adapters.simulated.local_bybit import LocalBybit, Result
from adapters.simulated.misbehaviour import Fault, Misbehaviour
from adapters.simulated.rate_limits import ADDRESS_LIMIT, ADDRESS_WINDOW_MS, RateLimits, Standing
from adapters.simulated.records import Account
from adapters.simulated.refusals import TOO_MANY_VISITS, Refusal, bad_parameter
from adapters.simulated.timeline import Timeline
from adapters.simulated.v5_routes import Endpoint, answer, endpoints
from adapters.simulated.v5_signing import authenticate

_FAULT_TEXTS = {10000: "Server Timeout", 10006: "Too many visits!", 10016: "Internal server error"}


class V5Http:
    """Serves every path of the v5 protocol."""

    def __init__(
        self,
        bybit: LocalBybit,
        misbehaviour: Misbehaviour,
        publish: Callable[[], None],
        stopping: asyncio.Event,
        timeline: Timeline | None = None,
    ) -> None:
        """``publish`` sends the pending private rows out; ``stopping`` ends held connections."""
        self._bybit = bybit
        self._timeline = timeline
        self._misbehaviour = misbehaviour
        self._publish = publish
        self._stopping = stopping
        self._clock = bybit.exchange.venue.clock
        self._limits = RateLimits()
        self._addresses = RateLimits(window_ms=ADDRESS_WINDOW_MS)
        self.endpoints = endpoints(bybit)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request under /v5."""
        peer = request.remote or ""
        if not self._addresses.take((peer, ""), ADDRESS_LIMIT, self._clock()).passed:
            return web.Response(status=403, text="access too frequent: over 600 requests in 5 s from this address")
        if self._timeline is not None:
            self._timeline.counted(request.path)
        endpoint = self.endpoints.get(request.path)
        if endpoint is None or endpoint.method != request.method:
            return web.Response(status=404, text=f"{request.method} {request.path} is not served")
        body = await request.text() if request.method == "POST" else ""
        if request.method == "GET" and request.can_read_body:
            return web.Response(status=403, text="a GET must not carry a body")
        return await self._answer(request, endpoint, body)

    async def _answer(self, request: web.Request, endpoint: Endpoint, body: str) -> web.StreamResponse:
        read_at_ns = time.monotonic_ns()
        raw_query = request.raw_path.partition("?")[2]
        key = request.headers.get("X-BAPI-API-KEY", "")
        known = self._bybit.accounts_by_key.get(key)
        fault = self._misbehaviour.on_request(request.path, known.name if known else "")
        if fault is not None and fault.kind != "timeout_after_accept":
            return await self._misbehave(request, endpoint, key, fault)
        try:
            account = None
            if endpoint.signed:
                payload = body if request.method == "POST" else raw_query
                account = authenticate(self._bybit.accounts_by_key, request.headers, payload, self._clock())
            params = _parse(body) if request.method == "POST" else dict(parse_qsl(raw_query, keep_blank_values=True))
        except Refusal as refusal:
            return web.json_response(self._envelope(refusal.code, refusal.text))
        if self._timeline is not None and account is not None and request.method == "POST":
            self._timeline.received(account.name, request.path, read_at_ns, params)
        counter = (key, request.path)
        standing = self._limits.take(counter, endpoint.limit, self._clock()) if endpoint.signed else None
        if standing is not None and not standing.passed and not endpoint.batch:
            refused = self._envelope(TOO_MANY_VISITS, "Too many visits! Exceeded the API Rate Limit.")
            return web.json_response(refused, headers=_headers(standing))
        envelope, standing = self._act(endpoint, account, params, counter=counter, standing=standing)
        asyncio.get_running_loop().call_soon(self._publish)
        if fault is not None:
            return await self._hold(request, fault.ms)
        if self._bybit.config.ack_delay_ms:
            await asyncio.sleep(self._bybit.config.ack_delay_ms / 1000)
        return web.json_response(envelope, headers=_headers(standing))

    def _act(
        self,
        endpoint: Endpoint,
        account: Account | None,
        params: dict[str, Any],
        *,
        counter: tuple[str, str],
        standing: Standing | None,
    ) -> tuple[Result, Standing | None]:
        """The envelope and the rate standing after it: in a batch every order counts, the first was counted already."""
        latest = standing
        first = True

        def take(_: int) -> bool:
            nonlocal latest, first
            if first:
                first = False
            else:
                latest = self._limits.take(counter, endpoint.limit, self._clock())
            return latest is None or latest.passed

        envelope = answer(self._bybit, endpoint, account, params, take)
        return envelope, latest

    def _envelope(self, code: int, text: str) -> Result:
        return {"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": self._clock()}

    async def _misbehave(self, request: web.Request, endpoint: Endpoint, key: str, fault: Fault) -> web.StreamResponse:
        if fault.kind == "http_503":
            return web.Response(status=503, text="Service Unavailable")
        if fault.kind == "ret_code":
            text = _FAULT_TEXTS.get(fault.ret_code, "scripted fault")
            counted = self._limits.take((key, request.path), endpoint.limit, self._clock()) if endpoint.signed else None
            return web.json_response(self._envelope(fault.ret_code, text), headers=_headers(counted))
        return await self._hold(request, fault.ms)

    async def _hold(self, request: web.Request, hold_ms: int) -> web.StreamResponse:
        """Leave the caller without an answer, then cut the connection."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), hold_ms / 1000)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=504)


def _parse(body: str) -> dict[str, Any]:
    try:
        params = json.loads(body or "{}")
    except ValueError:
        raise bad_parameter("params error: the body is not JSON") from None
    if not isinstance(params, dict):
        raise bad_parameter("params error: the body must be a JSON object")
    return params


def _headers(standing: Standing | None) -> dict[str, str]:
    if standing is None:
        return {}
    return {
        "X-Bapi-Limit": str(standing.limit),
        "X-Bapi-Limit-Status": str(standing.left),
        "X-Bapi-Limit-Reset-Timestamp": str(standing.reset_ms),
    }
