"""Direct HTTP: pybit's client without a wire, for an exchange that lives in the same thread.

Enters: something that answers a path with the envelope Bybit would send. Stays out: what is answered, and when it goes
wrong (its maker's). What a session sees of it is what pybit would show: the same answers, the same exceptions, so that
translation, error classes and the request budget are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

from pybit.exceptions import FailedRequestError, InvalidRequestError
from requests.exceptions import ConnectionError as Reset
from requests.exceptions import ConnectTimeout, ReadTimeout

from adapters.bybit import endpoints

Envelope = Mapping[str, Any]
_NOT_JSON = 409  # the status pybit invents for an answer that is no JSON


class WireFault(Exception):
    """What happens on the way instead of an answer: "no_connection", "timeout", "reset", "not_json" or "http"."""

    def __init__(self, kind: str, status: int = 503) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status  # of "http"


class DirectHttp:
    """Stands where a session expects `pybit.unified_trading.HTTP`."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], Envelope]) -> None:
        """Take what answers (path, decoded parameters); it may raise WireFault."""
        self._answer = answer
        self._paths = {endpoint.method: endpoint.path for endpoint in endpoints.ALL}
        self.client = self  # a session closes its client

    def close(self) -> None:
        """Nothing is held open."""

    def __getattr__(self, method: str) -> Callable[..., tuple[Envelope, float, dict[str, str]]]:
        path = self._paths.get(method)
        if path is None:
            raise AttributeError(f"no endpoint is called {method}")

        def call(**params: Any) -> tuple[Envelope, float, dict[str, str]]:
            return self._call(path, params)

        return call

    def _call(self, path: str, params: Mapping[str, Any]) -> tuple[Envelope, float, dict[str, str]]:
        sent = {name: value for name, value in params.items() if value is not None}
        if "cursor" in sent:
            sent["cursor"] = unquote(str(sent["cursor"]))
        try:
            body = self._answer(path, sent)
        except WireFault as fault:
            _raise_as_pybit(fault, path)
        if body["retCode"] != 0:
            raise InvalidRequestError(path, str(body["retMsg"]), body["retCode"], "", {})
        return body, 0.0, {}


def _raise_as_pybit(fault: WireFault, path: str) -> NoReturn:
    match fault.kind:
        case "no_connection":
            raise ConnectTimeout(f"{path}: connection timed out")
        case "timeout":
            raise ReadTimeout(f"{path}: read timed out")
        case "reset":
            raise Reset(f"{path}: connection reset by peer")
        case "not_json":
            raise FailedRequestError(path, "Conflict. Could not decode JSON", _NOT_JSON, "", None)
        case _:
            raise FailedRequestError(path, "HTTP status code is not 200", fault.status, "", {})
