"""Routes: every v5 path that is served, its limit, and the envelope around its answer.

Enters: an account (or none) and decoded parameters. Stays out: sockets, signatures; ``call`` does without.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.simulated.local_bybit import LocalBybit, Result
from adapters.simulated.records import Account
from adapters.simulated.refusals import Refusal
from adapters.simulated.v5_requests import Params


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: what answers it, under which limit a second."""

    method: str
    limit: int
    signed: bool
    answer: Callable[..., Any]
    batch: str = ""  # create | amend | cancel


def endpoints(bybit: LocalBybit) -> dict[str, Endpoint]:
    """Every path that is served."""
    market, account = bybit.market, bybit.account
    public = {
        "/v5/market/time": market.time,
        "/v5/market/instruments-info": market.instruments,
        "/v5/market/tickers": market.tickers,
        "/v5/market/kline": market.kline,
        "/v5/market/mark-price-kline": market.mark_kline,
        "/v5/market/index-price-kline": market.mark_kline,
        "/v5/market/orderbook": market.orderbook,
        "/v5/market/recent-trade": market.recent_trades,
        "/v5/market/price-limit": market.price_limit,
        "/v5/market/risk-limit": market.risk_limit,
        "/v5/market/funding/history": market.funding_history,
        "/v5/market/open-interest": market.open_interest,
        "/v5/market/account-ratio": market.account_ratio,
    }
    served = {path: Endpoint("GET", 0, False, answer) for path, answer in public.items()}
    for method, limit, path, answer in (
        ("POST", 10, "/v5/order/create", account.create),
        ("POST", 10, "/v5/order/amend", account.amend),
        ("POST", 10, "/v5/order/cancel", account.cancel),
        ("POST", 10, "/v5/order/cancel-all", account.cancel_all),
        ("GET", 50, "/v5/order/realtime", account.open_orders),
        ("GET", 50, "/v5/order/history", account.order_history),
        ("GET", 50, "/v5/execution/list", account.executions),
        ("GET", 50, "/v5/position/list", account.positions),
        ("POST", 10, "/v5/position/set-leverage", account.set_leverage),
        ("POST", 10, "/v5/position/switch-mode", account.switch_mode),
        ("POST", 10, "/v5/position/trading-stop", account.trading_stop),
        ("GET", 50, "/v5/position/closed-pnl", account.closed_pnl),
        ("GET", 50, "/v5/account/wallet-balance", account.wallet_balance),
        ("GET", 50, "/v5/account/info", account.info),
        ("POST", 10, "/v5/account/set-margin-mode", account.set_margin_mode),
        ("GET", 5, "/v5/account/fee-rate", account.fee_rate),
        ("GET", 10, "/v5/user/query-api", account.api_key),
    ):
        served[path] = Endpoint(method, limit, True, answer)
    for name, act in (("create", account.create), ("amend", account.amend), ("cancel", account.cancel)):
        served[f"/v5/order/{name}-batch"] = Endpoint("POST", 10, True, act, batch=name)
    return served


def answer(
    bybit: LocalBybit, endpoint: Endpoint, account: Account | None, params: Params, take: Callable[[int], bool]
) -> Result:
    """The envelope for one request: retCode, retMsg, result, retExtInfo, time. Commits what it changed.

    ``take`` says whether so many more orders of a batch pass the rate limit.
    """
    code, text = 0, "OK"
    result: Result = {}
    extra: Result = {}
    try:
        if account is None:
            result = endpoint.answer(params)
        elif endpoint.batch:
            result, extra = bybit.account.batch(account, params, endpoint.answer, take)
        else:
            result = endpoint.answer(account, params)
    except Refusal as refusal:
        code, text = refusal.code, refusal.text
    if endpoint.method == "POST":
        bybit.commit()
    return {
        "retCode": code,
        "retMsg": text,
        "result": result,
        "retExtInfo": extra,
        "time": bybit.exchange.venue.clock(),
    }


def call(bybit: LocalBybit, account_name: str, path: str, params: Params) -> Result:
    """Answer one request directly, without wire, signature or rate limit: the envelope that Bybit would send.

    ``account_name`` is "" for market endpoints.

    Raises:
        KeyError: no such path or account.

    """
    endpoint = endpoints(bybit)[path]
    account = bybit.exchange.venue.accounts[account_name] if endpoint.signed else None
    return answer(bybit, endpoint, account, params, lambda _: True)
