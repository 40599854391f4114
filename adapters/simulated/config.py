"""Configuration: what a local exchange is to be, checked before anything starts.

Enters: values from a command line or a test. Stays out: acting on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from adapters.simulated.exchange import DEFAULT_ACCOUNTS, AccountSpec
from adapters.simulated.live_prices import LivePath
from adapters.simulated.margin import FeeRates

Waypoints = Mapping[str, Sequence[tuple[Decimal, Decimal]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeConfig:
    """What a local exchange is to be.

    Prices come from one of: ``live`` (a market elsewhere), ``script`` (waypoints), ``replay_file`` with
    ``replay_symbol``, or the ``seed``. Symbols a file leaves out follow the seed; those that a script or a market
    elsewhere leaves out stand still.
    """

    host: str = "127.0.0.1"
    port: int = 0  # 0: whichever is free
    seed: int = 1
    replay_file: Path | None = None
    replay_symbol: str = ""
    live: LivePath | None = None
    script: Waypoints | None = None  # symbol -> [(market seconds from the start, price), ...]
    speed: Decimal = Decimal(1)  # market seconds per wall second; 0 freezes the path
    instruments: int = 0  # synthetic ones beside the five
    state_file: Path | None = None
    control: bool = False  # serve /control
    accounts: tuple[AccountSpec, ...] = DEFAULT_ACCOUNTS
    fees: FeeRates = field(default_factory=FeeRates)
    ack_delay_ms: int = 0  # between acceptance and its answer
    position_stops_count: bool = False  # whether position stops count toward the ten conditional orders
    queues: bool = False  # whether a limit order waits at its price behind the depth that was there before it
    untriggered_end: str = "Deactivated"  # or Cancelled: Bybit's word for linear stops is not documented
    salt: str = ""  # makes ids differ between exchanges; "": random, or the state file's


def parse_account(stated: str) -> AccountSpec:
    """The account that ``NAME:KEY:SECRET:USDT`` states.

    Raises:
        ValueError: says what is wrong with it and what to write.

    """
    parts = stated.split(":")
    if len(parts) != 4:
        raise ValueError(f"--account {_masked(stated)}: write NAME:KEY:SECRET:USDT, four parts; there are {len(parts)}")
    name, key, secret, balance = (part.strip() for part in parts)
    if not (name and key and secret):
        raise ValueError(f"--account {_masked(stated)}: name, key and secret must not be empty")
    try:
        usdt = Decimal(balance)
    except InvalidOperation:
        raise ValueError(f"--account {name}: balance {balance!r} is not a number of USDT, such as 10000") from None
    if not usdt.is_finite() or usdt < 0:
        raise ValueError(f"--account {name}: balance {balance} must be 0 or more")
    return AccountSpec(name=name, key=key, secret=secret, balance_usdt=usdt)


def _masked(stated: str) -> str:
    name, _, rest = stated.partition(":")
    return f"{name}:***" if rest else name


def check_config(config: ExchangeConfig) -> None:
    """See that a configuration can be served.

    Raises:
        ValueError: says which value does not fit, and what to write.

    """
    names = [each.name for each in config.accounts]
    keys = [each.key for each in config.accounts]
    if not names:
        raise ValueError("an exchange needs at least one account: --account NAME:KEY:SECRET:USDT")
    for what, values in (("name", names), ("key", keys)):
        if len(set(values)) != len(values):
            raise ValueError(f"two accounts share a {what}: give each its own")
    if config.speed < 0 or not config.speed.is_finite():
        raise ValueError(f"--speed {config.speed}: write 0 (frozen) or more")
    if config.replay_file is not None and not config.replay_symbol:
        raise ValueError("--replay needs --symbol, such as --symbol XRPUSDT")
    if config.replay_file is None and config.replay_symbol:
        raise ValueError("--symbol belongs to --replay FILE")
    if sum(each is not None for each in (config.replay_file, config.script, config.live)) > 1:
        raise ValueError("prices come from one of: a market elsewhere, a replay, a script")
    if config.live is not None and config.speed != 1:
        raise ValueError(f"--speed {config.speed}: live prices come at their own speed, leave it out")
