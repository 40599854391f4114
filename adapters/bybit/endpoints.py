"""Endpoints: the v5 addresses in use, pybit's method for each, and how often the exchange lets one account ask.

Enters: constants. Stays out: everything that changes.
Source: Bybit v5 documentation, page rate-limit (linear, per account and rolling second). Public endpoints have no limit
of their own, only the address's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    path: str
    method: str  # of pybit.unified_trading.HTTP
    per_second: int | None = None  # None: public


PLACE_ORDER = Endpoint("/v5/order/create", "place_order", 10)
AMEND_ORDER = Endpoint("/v5/order/amend", "amend_order", 10)
CANCEL_ORDER = Endpoint("/v5/order/cancel", "cancel_order", 10)
RECENT_ORDERS = Endpoint("/v5/order/realtime", "get_open_orders", 50)
PAST_ORDERS = Endpoint("/v5/order/history", "get_order_history", 50)
EXECUTIONS = Endpoint("/v5/execution/list", "get_executions", 50)
POSITIONS = Endpoint("/v5/position/list", "get_positions", 50)
CLOSED_PNL = Endpoint("/v5/position/closed-pnl", "get_closed_pnl", 50)
SET_LEVERAGE = Endpoint("/v5/position/set-leverage", "set_leverage", 10)
SET_POSITION_STOP = Endpoint("/v5/position/trading-stop", "set_trading_stop", 10)
WALLET = Endpoint("/v5/account/wallet-balance", "get_wallet_balance", 50)
ACCOUNT = Endpoint("/v5/account/info", "get_account_info", 50)
FEE_RATE = Endpoint("/v5/account/fee-rate", "get_fee_rates", 5)
API_KEY = Endpoint("/v5/user/query-api", "get_api_key_information", 10)
SERVER_TIME = Endpoint("/v5/market/time", "get_server_time")
INSTRUMENTS = Endpoint("/v5/market/instruments-info", "get_instruments_info")
TICKERS = Endpoint("/v5/market/tickers", "get_tickers")
KLINES = Endpoint("/v5/market/kline", "get_kline")
RISK_LIMIT = Endpoint("/v5/market/risk-limit", "get_risk_limit")

ALL = (
    PLACE_ORDER,
    AMEND_ORDER,
    CANCEL_ORDER,
    RECENT_ORDERS,
    PAST_ORDERS,
    EXECUTIONS,
    POSITIONS,
    CLOSED_PNL,
    SET_LEVERAGE,
    SET_POSITION_STOP,
    WALLET,
    ACCOUNT,
    FEE_RATE,
    API_KEY,
    SERVER_TIME,
    INSTRUMENTS,
    TICKERS,
    KLINES,
    RISK_LIMIT,
)
