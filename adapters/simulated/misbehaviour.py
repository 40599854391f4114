"""Scripted misbehaviour: what the exchange shall do wrong, how often.

Enters: faults as the control endpoint (or a test, in the same process) states them. Stays out: carrying them out; the
HTTP and the stream ask here before they act.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_HOLD_MS = 30_000
HTTP_KINDS = ("timeout_before", "timeout_after_accept", "http_503", "ret_code")
STREAM_KINDS = ("drop_ws", "duplicate_ws", "delay_ws")


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing to do wrong, ``times`` times.

    ``ms`` is how long a time-out holds the connection, a late message waits, or dropped sockets are refused.
    """

    kind: str
    path: str = ""
    account: str = ""  # "": whichever
    ret_code: int = 10016
    ms: int = DEFAULT_HOLD_MS
    times: int = 1


@dataclass(slots=True)
class Misbehaviour:
    """The faults still to come."""

    faults: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Queue a fault behind those of its kind."""
        self.faults.append(fault)

    def clear(self) -> None:
        """Behave again."""
        self.faults.clear()

    def on_request(self, path: str, account: str) -> Fault | None:
        """The fault that this request meets, counted off."""
        return self._take(HTTP_KINDS, path, account)

    def on_message(self, account: str) -> Fault | None:
        """The fault that this private message meets, counted off."""
        return self._take(("duplicate_ws", "delay_ws"), "", account)

    def on_connection(self) -> Fault | None:
        """The fault that a newly opened socket meets, counted off."""
        return self._take(("drop_ws",), "", "")

    def _take(self, kinds: tuple[str, ...], path: str, account: str) -> Fault | None:
        for fault in self.faults:
            if (
                fault.kind in kinds
                and fault.path in {"", path}
                and ("" in {fault.account, account} or fault.account == account)
            ):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None


def parse_fault(stated: Any, paths: Mapping[str, object]) -> Fault:
    """The fault that a JSON body states; ``paths`` are those served.

    Raises:
        ValueError: says what to write instead.

    """
    if not isinstance(stated, dict):
        raise ValueError(  # noqa: TRY004 - a value from outside, not a type of ours
            'send one JSON object, such as {"path":"/v5/order/create","kind":"http_503","times":1}'
        )
    kind = stated.get("kind")
    if kind not in HTTP_KINDS + STREAM_KINDS:
        raise ValueError(f"kind {kind!r} is unknown: write one of {', '.join(HTTP_KINDS + STREAM_KINDS)}")
    unknown = set(stated) - {"kind", "path", "account", "ret_code", "ms", "times"}
    if unknown:
        raise ValueError(f"unknown {', '.join(sorted(unknown))}: a fault has kind, path, account, ret_code, ms, times")
    path = stated.get("path", "")
    if kind in HTTP_KINDS and path not in paths:
        raise ValueError(f"path {path!r} is not served: write one such as /v5/order/create")
    if kind in STREAM_KINDS and path:
        raise ValueError(f"{kind} concerns sockets: leave path out")
    default_ms = 0 if kind == "drop_ws" else (500 if kind == "delay_ws" else DEFAULT_HOLD_MS)
    return Fault(
        kind=kind,
        path=path,
        account=str(stated.get("account", "")),
        ret_code=_number(stated, "ret_code", 10016, 1, 999_999),
        ms=_number(stated, "ms", default_ms, 0, 600_000),
        times=_number(stated, "times", 1, 1, 1_000_000),
    )


def _number(stated: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = stated.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} {value!r}: write a whole number from {low} to {high}")
    return value
