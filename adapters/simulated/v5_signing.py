"""Signatures: who sent a request, and whether it is fresh and whole.

Enters: headers, the raw query or body, the accounts' keys. Stays out: what the request asks for.
Source: Bybit v5 integration guidance; a request is fresh iff server - recvWindow <= timestamp < server + 1000.
"""

import hashlib
import hmac
from collections.abc import Mapping

from adapters.simulated.records import Account
from adapters.simulated.refusals import (
    BAD_SIGNATURE,
    STALE_REQUEST,
    UNKNOWN_KEY,
    Refusal,
    bad_parameter,
)

AHEAD_MS = 1000


def sign(secret: str, message: str) -> str:
    """HMAC-SHA256, lower-case hex."""
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def authenticate(accounts: Mapping[str, Account], headers: Mapping[str, str], payload: str, now_ms: int) -> Account:
    """The account whose key signed ``payload`` (raw query string or raw body).

    ``accounts`` are by API key.

    Raises:
        Refusal: 10001 headers missing, 10003 unknown key, 10002 outside the window, 10004 wrong signature.

    """
    key, stamp = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-TIMESTAMP", "")
    signature = headers.get("X-BAPI-SIGN", "")
    window = headers.get("X-BAPI-RECV-WINDOW", "")
    if not key or not signature or not stamp.isdecimal() or not (window or "5000").isdecimal():
        raise bad_parameter("openapi sign params error!")
    account = accounts.get(key)
    if account is None:
        raise Refusal(UNKNOWN_KEY, "API key is invalid.")
    if not now_ms - int(window or "5000") <= int(stamp) < now_ms + AHEAD_MS:
        text = (
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{stamp}],server_timestamp[{now_ms}],recv_window[{window or '5000'}]"
        )
        raise Refusal(STALE_REQUEST, text)
    if not hmac.compare_digest(sign(account.secret, f"{stamp}{key}{window}{payload}"), signature):
        raise Refusal(BAD_SIGNATURE, f"error sign! origin_string[{stamp}{key}{window}{payload}]")
    return account


def authenticate_stream(accounts: Mapping[str, Account], args: list[object], now_ms: int) -> Account:
    """The account that a private socket's ``auth`` names: [key, expires ms, signature].

    Raises:
        Refusal: with the text for ret_msg.

    """
    if len(args) != 3 or not str(args[1]).isdecimal():
        raise bad_parameter("Params Error")
    key, expires, signature = str(args[0]), int(str(args[1])), str(args[2])
    account = accounts.get(key)
    if account is None:
        raise Refusal(UNKNOWN_KEY, "API key is invalid.")
    if expires <= now_ms:
        raise Refusal(STALE_REQUEST, f"Params Error: expires[{expires}] is not after server time[{now_ms}]")
    if not hmac.compare_digest(sign(account.secret, f"GET/realtime{expires}"), signature):
        raise Refusal(BAD_SIGNATURE, "error sign!")
    return account
