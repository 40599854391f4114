"""Every setting's written form: name, kind, limits, default, what to write and what for.

One name for each: in capitals in the environment and .env, in small letters in the file. docs/settings.md is made from
this list. Enters: raw values. Stays out: where they were read, what the daemon does with them.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict


def _user_ids(value: Any) -> Any:
    """Read ids with commas, or one bare id."""
    if isinstance(value, str):
        return [part for part in value.replace(";", ",").split(",") if part.strip()]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def _fractions(value: Any) -> Any:
    """Read shares in percent, as text (85/5/5/5) or as a list; give fractions."""
    parts = value.replace("%", "").replace(",", "/").split("/") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return parts
    try:
        return tuple(Decimal(str(part).strip()) / 100 for part in parts)
    except InvalidOperation:
        raise ValueError("a share is not a number") from None


def _presets(value: Any) -> Any:
    """Read presets as text (name: words; name: words) or as a table of the file; give names and words."""
    if isinstance(value, str):
        parts = [part.partition(":") for part in value.split(";") if part.strip()]
        if any(not colon for _, colon, _ in parts):
            raise ValueError("a preset has no name")
        pairs = [(name.strip(), words.strip()) for name, _, words in parts]
    elif isinstance(value, dict):
        pairs = list(value.items())
    else:
        return value
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a preset is there twice")
    return tuple(pairs)


def _symbols(value: Any) -> Any:
    """Read symbols with commas; letters of any case."""
    parts = value.replace(";", ",").split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return parts
    names = [str(part).strip().upper() for part in parts if str(part).strip()]
    if not all(name.replace("-", "").isalnum() for name in names):
        raise ValueError("a name has other signs than letters and digits")
    return names


def _groups(value: Any) -> Any:
    """Read groups of coins: coins with commas, groups with semicolons."""
    groups = value.split(";") if isinstance(value, str) else value
    return [group for group in map(_symbols, groups) if group] if isinstance(groups, list) else groups


Seconds = Annotated[float, Field(allow_inf_nan=False)]
UserIds = Annotated[frozenset[int], NoDecode, BeforeValidator(_user_ids)]
Fractions = Annotated[tuple[Decimal, ...], NoDecode, BeforeValidator(_fractions)]
Presets = Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_presets)]
Symbols = Annotated[frozenset[str], NoDecode, BeforeValidator(_symbols)]
Groups = Annotated[tuple[frozenset[str], ...], NoDecode, BeforeValidator(_groups)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+/?$")]
SocketUrl = Annotated[str, Field(pattern=r"^wss?://[^\s/]+/?$")]
ApiUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]  # a Bot API server may stand behind a path
Feed = Annotated[str, Field(pattern=r"^(generated|live|https?://[^\s/]+/?)$")]
FileUrl = Annotated[str, Field(pattern=r"^(https?://[^\s/]+(/\S*)?)?$")]


class Written(BaseSettings):
    """Every setting as it is written. The description says what it is for, the title what to write.

    Values come from `settings_file`, which reads and ranks the sources and knows where each was written.
    """

    model_config = SettingsConfigDict(extra="forbid", case_sensitive=False, env_ignore_empty=True, frozen=True)

    bybit_api_key: SecretStr = Field(
        SecretStr(""), title="the key's name from Bybit", description="Main account's key; none: paper mode."
    )
    bybit_api_secret: SecretStr = Field(SecretStr(""), title="the key's secret", description="Main account's secret.")
    bybit_api_key_2: SecretStr = Field(
        SecretStr(""), title="the key's name from Bybit", description="Mirror account's key."
    )
    bybit_api_secret_2: SecretStr = Field(
        SecretStr(""), title="the key's secret", description="Mirror account's secret."
    )
    bybit_rest_url: Url = Field(
        "https://api.bybit.com",
        title="an address such as https://api.bybit.com",
        description="Where requests go; regional sites, testnet and demo have their own.",
    )
    bybit_ws_url: SocketUrl = Field(
        "wss://stream.bybit.com",
        title="an address such as wss://stream.bybit.com",
        description="Base of the WebSocket addresses, without /v5.",
    )
    paper_feed: Feed = Field(
        "generated",
        title="generated, live, or an address such as http://127.0.0.1:8080",
        description="Prices of paper mode's own exchange: made up, Bybit's public ones, or another exchange's.",
    )
    telegram_token: SecretStr = Field(
        SecretStr(""), title="the token from BotFather", description="The bot's token; none: the terminal is the chat."
    )
    telegram_api_url: ApiUrl = Field(
        "https://api.telegram.org",
        title="an address such as https://api.telegram.org",
        description="A local Bot API server may stand in.",
    )
    telegram_file_url: FileUrl = Field(
        "", title="an address, or nothing", description="Where files are fetched; empty: beside telegram_api_url."
    )
    telegram_allowed_users: UserIds = Field(
        frozenset(),
        title="numeric user ids with commas, such as 4711,4712",
        description="Who is heard and answered; nobody else is.",
    )
    default_alert_chat_id: int | None = Field(
        None,
        title="a numeric chat id, such as 4711",
        description="Where alerts go; by default the only allowed user's chat.",
    )
    rung_fractions: Fractions = Field(
        (Decimal("0.85"), Decimal("0.05"), Decimal("0.05"), Decimal("0.05")),
        title="shares in percent that sum to 100, such as 85/5/5/5",
        description="Take-profit shares of a plan that names none.",
    )
    plan_presets: Presets = Field(
        (),
        title="names and words of an order, such as scalp: approach fast risk 0.5% leverage 10; calm: weights back",
        description="Presets for orders, named in one as `preset scalp`; in the file a section "
        '`[plan_presets]` with lines like `scalp = "approach fast risk 0.5%"`. What may stand in one: docs/trading.md.',
    )
    fast_slippage: Decimal = Field(
        Decimal("0.005"),
        gt=0,
        le=Decimal("0.05"),
        title="a fraction over 0 up to 0.05, such as 0.005",
        description="How far from the last price a fast trade's entry may fill, where the order does not say.",
    )
    cancel_limits_on_tp1: bool = Field(
        default=True, title="true or false", description="Cancel unfilled entries once the first target is filled."
    )
    breakeven_margin: Decimal = Field(
        Decimal("0.0002"),
        ge=0,
        le=Decimal("0.01"),
        title="a fraction from 0 to 0.01, such as 0.0002",
        description="What breakeven leaves over beside fees, as a fraction of notional: a tick or two of slippage.",
    )
    backstop_distance: Decimal = Field(
        Decimal("0.003"),
        gt=0,
        le=Decimal("0.1"),
        title="a fraction over 0 up to 0.1, such as 0.003",
        description="How far beyond the farthest stop the backstop lies: far enough never to fire first.",
    )
    backstop_min_ticks: int = Field(
        5,
        ge=1,
        le=1000,
        title="a whole number from 1 to 1000",
        description="The same in ticks, at least; for prices of few digits.",
    )
    max_trades_per_symbol: int = Field(
        8,
        ge=1,
        le=8,
        title="a whole number from 1 to 8",
        description="Bybit allows 10 conditional orders a symbol and moving one needs a spare.",
    )
    dry_run: bool = Field(
        default=False,
        title="true or false",
        description="New orders pass every check and are not sent or recorded. Open trades are watched as ever.",
    )
    allowed_symbols: Symbols = Field(
        frozenset(),
        title="symbols with commas, such as BTCUSDT,ETHUSDT, or nothing",
        description="What may be traded; empty: every USDT perpetual.",
    )
    cooldown_seconds: Seconds = Field(
        300,
        ge=0,
        le=86400,
        title="seconds from 0 to 86400",
        description="Between two orders on one coin (BTCUSDT and BTCPERP are one): time to think twice. 0: none.",
    )
    idempotency_hours: Seconds = Field(
        24,
        ge=0,
        le=720,
        title="hours from 0 to 720",
        description="How long one symbol, side and minute counts as the same order. 0: never.",
    )
    max_open_trades: int = Field(
        15,
        ge=0,
        le=1000,
        title="a whole number from 0 to 1000",
        description="Open trades of an account; more than a person follows. 0: any number.",
    )
    max_capital_in_use: Decimal = Field(
        Decimal("0.9"),
        ge=0,
        le=1,
        title="a fraction from 0 to 1, such as 0.9",
        description="Of an account's equity, bound as margin: the rest keeps positions from liquidation. 0: no limit.",
    )
    rapid_creation_orders: int = Field(
        5,
        ge=0,
        le=1000,
        title="a whole number from 0 to 1000",
        description="Orders within rapid_creation_seconds; more is a machine or a temper running wild. 0: any number.",
    )
    rapid_creation_seconds: Seconds = Field(
        300,
        ge=1,
        le=86400,
        title="seconds from 1 to 86400",
        description="The window of rapid_creation_orders.",
    )
    max_correlated_exposure: Decimal = Field(
        Decimal(0),
        ge=0,
        le=1000,
        title="a number from 0 to 1000, such as 3",
        description="Notional on one side of correlated symbols, in times the equity. 0: no limit.",
    )
    correlated_groups: Groups = Field(
        (),
        title="coins with commas and groups with semicolons, such as BTC,ETH;SOL,AVAX",
        description="Which coins move together; none: all of them do.",
    )
    daily_loss_limit_usdt: Decimal = Field(
        Decimal(0),
        ge=0,
        le=1_000_000_000,
        title="USDT from 0, such as 200",
        description="Realised since midnight UTC on an account; nothing more is opened that day. 0: no limit.",
    )
    stop_guard_stops: int = Field(
        0,
        ge=0,
        le=1000,
        title="a whole number from 0 to 1000",
        description="Losing stops within stop_guard_window_minutes that lock new entries. 0: never.",
    )
    stop_guard_window_minutes: Seconds = Field(
        1440, ge=1, le=43200, title="minutes from 1 to 43200", description="How far back stops are counted."
    )
    stop_guard_lock_minutes: Seconds = Field(
        60, ge=1, le=43200, title="minutes from 1 to 43200", description="How long they lock, from the last of them."
    )
    stop_guard_by_symbol: bool = Field(
        default=False, title="true or false", description="Count and lock each symbol by itself."
    )
    drawdown_lock: Decimal = Field(
        Decimal(0),
        ge=0,
        le=1,
        title="a fraction from 0 to 1, such as 0.1",
        description="Fall of the equity from its peak, by closed trades, that locks new entries. 0: never.",
    )
    drawdown_window_minutes: Seconds = Field(
        2880, ge=1, le=43200, title="minutes from 1 to 43200", description="How far back closed trades count for it."
    )
    drawdown_lock_minutes: Seconds = Field(
        720, ge=1, le=43200, title="minutes from 1 to 43200", description="How long it locks, from the last close."
    )
    drawdown_least_trades: int = Field(
        1, ge=1, le=1000, title="a whole number from 1 to 1000", description="Closed trades that make it worth judging."
    )
    alert_dedup_seconds: Seconds = Field(
        300,
        ge=0,
        le=86400,
        title="seconds from 0 to 86400",
        description="The same news within it is told once: long enough for a flapping line.",
    )
    circuit_breaker_failure_threshold: int = Field(
        5,
        ge=1,
        le=100,
        title="a whole number from 1 to 100",
        description="Chat failures in a row that stop trying for a while; fewer would be a hiccup.",
    )
    circuit_breaker_open_seconds: Seconds = Field(
        20,
        ge=1,
        le=3600,
        title="seconds from 1 to 3600",
        description="How long that while is, until one message tries the line again; over 25, urgent news may be late.",
    )
    own_stop_deadline_seconds: Seconds = Field(
        2,
        gt=0,
        le=60,
        title="seconds over 0 up to 60",
        description="From a fill to the trade's own stop, before it is told as late; the backstop covers it meanwhile.",
    )
    reconcile_seconds: Seconds = Field(
        60,
        ge=5,
        le=3600,
        title="seconds from 5 to 3600",
        description="Between readings of an account while its stream is up: they only confirm it.",
    )
    stop_deadline_seconds: Seconds = Field(
        20,
        ge=1,
        le=300,
        title="seconds from 1 to 300",
        description="For an orderly end of the daemon; service managers kill after 90 s.",
    )
    backup_minutes: Seconds = Field(
        60,
        ge=1,
        le=1440,
        title="minutes from 1 to 1440",
        description="Between copies of the store in backups/: what a restore may have forgotten at the most.",
    )
    backups_kept: int = Field(
        48,
        ge=1,
        le=10000,
        title="a whole number from 1 to 10000",
        description="How many of those copies stay; the oldest goes first. Copies from before an update always stay.",
    )
    settled_days: Seconds = Field(
        30,
        ge=1,
        le=3650,
        title="days from 1 to 3650",
        description="How long requests that were settled and keys that expired stay in the store. Trades stay.",
    )
    enable_mirror_trading: bool = Field(
        default=False,
        title="true or false",
        description="Repeat main's orders on the mirror account (on paper: on one of its own): docs/trading.md.",
    )
    external_order_protection: bool = Field(
        default=True,
        title="true or false",
        description="Leave alone what others ordered, until it is switched: main.py protection, docs/trading.md.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given: settings_file has read the sources."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def is_secret(name: str) -> bool:
    """Say whether a setting's value must never be shown."""
    return Written.model_fields[name].annotation is SecretStr


def in_percent(fractions: tuple[Decimal, ...]) -> str:
    """Write fractions as a person does.

    >>> in_percent((Decimal("0.85"), Decimal("0.15")))
    '85/15'
    """
    texts = (f"{fraction * 100:f}" for fraction in fractions)
    return "/".join(text.rstrip("0").rstrip(".") if "." in text else text for text in texts)
