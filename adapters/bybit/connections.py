"""Connections: the ports to one Bybit account, put together from where it is and what it may spend.

Enters: access facts, the shared request budget, a clock, a source of randomness. Stays out: actors, settings files.
"""

from __future__ import annotations

from random import Random

from actors.ports import ExchangePort, MarketStreamPort, PrivateStreamPort
from adapters.bybit.access import BybitAccess
from adapters.bybit.direct_http import DirectHttp
from adapters.bybit.rate_limit import RateBudget
from adapters.bybit.rest import BybitExchange, Fallbacks
from adapters.bybit.session import Session
from adapters.bybit.stream import BybitMarketStream, BybitPrivateStream
from adapters.bybit.supervised_socket import Patience
from runtime.clock import Clock, SystemClock


def open_exchange(
    access: BybitAccess,
    budget: RateBudget,
    *,
    account: str,
    clock: Clock | None = None,
    fallbacks: Fallbacks | None = None,
    http: DirectHttp | None = None,
) -> ExchangePort:
    """Make one lane's connection. Nothing is sent yet.

    Args:
        access: where, and with which key.
        budget: the account's, shared by all its lanes.
        account: our name for it, written into what is reported.
        clock: for instants and waits; the machine's by default.
        fallbacks: fees and margin rate where the exchange does not tell them.
        http: an exchange in this very thread; by default it is behind the wire.

    """
    clock = clock or SystemClock()
    return BybitExchange(Session(access, budget, clock, http=http), clock, account, fallbacks or Fallbacks())


def open_private_stream(
    access: BybitAccess,
    *,
    account: str,
    random: Random,
    clock: Clock | None = None,
    patience: Patience | None = None,
) -> PrivateStreamPort:
    """Make an account's private stream; it connects when its `open` is called.

    Args:
        access: where, and with which key.
        account: our name for it, written into what is reported.
        random: spreads the waits between connections.
        clock: for the age of messages; the machine's by default.
        patience: how long to wait for what.

    """
    return BybitPrivateStream(access, account, clock or SystemClock(), random, patience or Patience())


def open_market_stream(
    access: BybitAccess, *, random: Random, clock: Clock | None = None, patience: Patience | None = None
) -> MarketStreamPort:
    """Make the public stream; it connects when its `open` is called. Of `access` only the address is used."""
    return BybitMarketStream(access, clock or SystemClock(), random, patience or Patience())
