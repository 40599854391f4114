"""Settings from the environment, an optional .env and an optional TOML file, checked as a whole.

The environment wins over .env, and .env over the file. Every fault is reported at once, with where the value was
written, the value (never a secret's) and what to write instead. Enters: texts. Stays out: what the settings are for;
the actors see only the frozen tree of actors.settings.
"""

from __future__ import annotations

import difflib
import io
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource

from actors.model.guarding import GuardTerms
from actors.rules.preset_check import preset_faults
from actors.settings import (
    AccountSettings,
    AlertSettings,
    ChatSettings,
    ExchangeSettings,
    KeepingSettings,
    Settings,
    TimingSettings,
    TradingSettings,
)
from adapters.host.written_settings import Written, in_percent, is_secret

ONE = Decimal(1)
_CREDENTIALS = re.compile(r"(?<=://)[^/@]+@")


class SettingsFaults(Exception):
    """The settings cannot be used; `faults` holds one sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The settings, their secrets (to be kept out of every log) and what the person should know of them."""

    settings: Settings
    secrets: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stated:
    """A value and what it is called where it was written."""

    value: Any
    called: str


def load_settings(*, file: Path | None, must_exist: bool = False, env_file: Path | None = None) -> Read:
    """Read and check everything.

    Args:
        file: the TOML file; need not exist unless `must_exist`.
        must_exist: the file was named by the person.
        env_file: an optional .env.

    Raises:
        SettingsFaults: with every fault found.

    """
    faults: list[str] = []
    stated = {**_from_file(file, must_exist, faults), **_from_env_file(env_file, faults), **_from_environment()}
    try:
        written = _checked(stated)
    except ValidationError as error:
        wrong = _sentences(error, stated)
        faults += wrong.values()
        # What is left may contradict itself too, and all faults are told at once.
        written = _checked({name: each for name, each in stated.items() if name not in wrong})
        faults += [fault for fault in _contradictions(written) if not any(name.upper() in fault for name in wrong)]
    else:
        faults += _contradictions(written)
    if faults:
        raise SettingsFaults(faults)
    return Read(settings=_tree(written), secrets=_secrets(written), notes=_notes(written))


def _checked(stated: Mapping[str, _Stated]) -> Written:
    return Written(**{name: each.value for name, each in stated.items()})


# --- the sources --------------------------------------------------------------------------------------------------
def _from_environment() -> dict[str, _Stated]:
    return {name: _Stated(value, name.upper()) for name, value in EnvSettingsSource(Written)().items()}


def _from_env_file(file: Path | None, faults: list[str]) -> dict[str, _Stated]:
    """Read what is ours of a .env; other programs' names in it are passed over."""
    if file is None or not file.exists():
        return {}
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{file} cannot be read ({_reason(error)}): make it a readable text file, or remove it")
        return {}
    # A statement begins with the empty lines before it.
    wrong = [binding.original for binding in parse_stream(io.StringIO(text)) if binding.error]
    lines = [each.line + each.string.count("\n", 0, -len(each.string.lstrip())) for each in wrong]
    if lines:
        faults += [f"line {line} of {file} is not a setting: write NAME=value" for line in lines]
        return {}
    values = {(name or "").lower(): value for name, value in dotenv_values(stream=io.StringIO(text)).items()}
    return {
        name: _Stated(value, f"{name.upper()} in {file}")
        for name, value in values.items()
        if name in Written.model_fields and value
    }


def _from_file(file: Path | None, must_exist: bool, faults: list[str]) -> dict[str, _Stated]:
    if file is None or (not file.exists() and not must_exist):
        return {}
    try:
        stated = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        faults.append(f"the settings file {file} cannot be read ({_reason(error)}): name a readable file")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"the settings file {file} is not TOML ({error}): write lines such as reconcile_seconds = 60")
        return {}
    known = Written.model_fields
    faults += [_unknown(name, stated[name], file) for name in sorted(set(stated) - set(known))]
    return {name: _Stated(value, f"{name} in {file}") for name, value in stated.items() if name in known}


def _unknown(name: str, value: Any, file: Path) -> str:
    if isinstance(value, dict):
        return f"[{name}] in {file} is a section, and the only one is [plan_presets]: write its settings without it"
    near = difflib.get_close_matches(name.lower(), Written.model_fields, n=1)
    advice = f"did you mean {near[0]}?" if near else "docs/settings.md lists the names"
    return f"{name} in {file} is not a setting: {advice}"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "not UTF-8"


# --- the faults ---------------------------------------------------------------------------------------------------
def _sentences(error: ValidationError, stated: Mapping[str, _Stated]) -> dict[str, str]:
    """Give one sentence for each setting at fault."""
    sentences: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0])
        each = stated[name]
        shown = "not usable" if is_secret(name) else _CREDENTIALS.sub("***@", f"{each.value!s:.80}") or "empty"
        sentences.setdefault(name, f"{each.called} is {shown}: write {Written.model_fields[name].title}")
    return sentences


def _contradictions(written: Written) -> list[str]:
    faults = []
    for key, secret in (("bybit_api_key", "bybit_api_secret"), ("bybit_api_key_2", "bybit_api_secret_2")):
        has_key, has_secret = (bool(getattr(written, name).get_secret_value()) for name in (key, secret))
        if has_key != has_secret:
            missing = secret if has_key else key
            faults.append(f"{missing.upper()} is missing: a key and its secret go together, write both or neither")
    if written.bybit_api_key_2.get_secret_value() and not written.bybit_api_key.get_secret_value():
        faults.append("BYBIT_API_KEY is missing: a mirror account needs the main account's key too")
    if written.telegram_token.get_secret_value():
        users = _allowed_users(written)
        if not users:
            faults.append(
                "TELEGRAM_ALLOWED_USERS is empty, so nobody would be heard: write your numeric user id, such as 4711"
            )
        elif len(users) > 1 and written.default_alert_chat_id is None:
            faults.append(
                f"DEFAULT_ALERT_CHAT_ID is missing and {len(users)} users are allowed: write whose chat alerts go to"
            )
    total = sum(written.rung_fractions, Decimal(0))
    if total != ONE or any(fraction <= 0 for fraction in written.rung_fractions):
        shown = in_percent(written.rung_fractions)
        faults.append(f"RUNG_FRACTIONS is {shown}: write shares over 0 that sum to 100, such as 85/5/5/5")
    for name, words in written.plan_presets:
        faults += [f"PLAN_PRESETS, {name}: {text}" for text in preset_faults(name, words, accounts=_accounts(written))]
    return faults


# --- the tree -----------------------------------------------------------------------------------------------------
def _tree(written: Written) -> Settings:
    accounts = [
        AccountSettings(
            name="main",
            api_key=written.bybit_api_key.get_secret_value(),
            api_secret=written.bybit_api_secret.get_secret_value(),
        )
    ]
    if written.bybit_api_key_2.get_secret_value():
        accounts.append(
            AccountSettings(
                name="mirror",
                api_key=written.bybit_api_key_2.get_secret_value(),
                api_secret=written.bybit_api_secret_2.get_secret_value(),
            )
        )
    elif written.enable_mirror_trading and not written.bybit_api_key.get_secret_value():
        accounts.append(AccountSettings(name="mirror"))  # on paper
    users = _allowed_users(written)
    only_user = next(iter(users)) if len(users) == 1 else None
    return Settings(
        accounts=tuple(accounts),
        exchange=ExchangeSettings(
            rest_url=written.bybit_rest_url, ws_url=written.bybit_ws_url, paper_feed=written.paper_feed
        ),
        chat=ChatSettings(
            token=written.telegram_token.get_secret_value(),
            api_url=written.telegram_api_url,
            file_url=written.telegram_file_url,
            allowed_users=users,
            default_chat_id=only_user if written.default_alert_chat_id is None else written.default_alert_chat_id,
        ),
        trading=TradingSettings(
            rung_fractions=written.rung_fractions,
            presets=written.plan_presets,
            fast_slippage=written.fast_slippage,
            breakeven_margin=written.breakeven_margin,
            backstop_distance=written.backstop_distance,
            backstop_min_ticks=written.backstop_min_ticks,
            cancel_entries_on_first_target=written.cancel_limits_on_tp1,
            most_trades_per_symbol=written.max_trades_per_symbol,
            mirrored=written.enable_mirror_trading,
        ),
        guards=_guards(written),
        alerts=AlertSettings(
            dedup_window_seconds=written.alert_dedup_seconds,
            breaker_failures=written.circuit_breaker_failure_threshold,
            breaker_open_seconds=written.circuit_breaker_open_seconds,
        ),
        timing=TimingSettings(
            own_stop_deadline_seconds=written.own_stop_deadline_seconds,
            slow_read_seconds=written.reconcile_seconds,
            stop_deadline_seconds=written.stop_deadline_seconds,
        ),
        keeping=KeepingSettings(
            backup_seconds=written.backup_minutes * 60,
            backups_kept=written.backups_kept,
            settled_days=written.settled_days,
        ),
    )


def _accounts(written: Written) -> tuple[str, ...]:
    on_paper = written.enable_mirror_trading and not written.bybit_api_key.get_secret_value()
    return ("main", "mirror") if written.bybit_api_key_2.get_secret_value() or on_paper else ("main",)


def _guards(written: Written) -> GuardTerms:
    return GuardTerms(
        external_order_protection=written.external_order_protection,
        dry_run=written.dry_run,
        allowed_symbols=written.allowed_symbols,
        cooldown_seconds=written.cooldown_seconds,
        idempotency_seconds=written.idempotency_hours * 3600,
        most_open_trades=written.max_open_trades,
        most_capital_in_use=written.max_capital_in_use,
        rapid_orders=written.rapid_creation_orders,
        rapid_seconds=written.rapid_creation_seconds,
        most_correlated_exposure=written.max_correlated_exposure,
        correlated_groups=written.correlated_groups,
        daily_loss_limit_usdt=written.daily_loss_limit_usdt,
        stop_guard_stops=written.stop_guard_stops,
        stop_guard_window_seconds=written.stop_guard_window_minutes * 60,
        stop_guard_lock_seconds=written.stop_guard_lock_minutes * 60,
        stop_guard_by_symbol=written.stop_guard_by_symbol,
        drawdown_lock=written.drawdown_lock,
        drawdown_window_seconds=written.drawdown_window_minutes * 60,
        drawdown_lock_seconds=written.drawdown_lock_minutes * 60,
        drawdown_least_trades=written.drawdown_least_trades,
    )


def _allowed_users(written: Written) -> frozenset[int]:
    """Give who is heard. Named nobody, it is the person whose private chat gets the alerts.

    Source: Telegram: a private chat's id is its user's id; groups have negative ids.
    """
    chat = written.default_alert_chat_id
    if not written.telegram_allowed_users and chat is not None and chat > 0:
        return frozenset({chat})
    return written.telegram_allowed_users


def _secrets(written: Written) -> tuple[str, ...]:
    values = (value for value in written.__dict__.values() if isinstance(value, SecretStr))
    return tuple(value.get_secret_value() for value in values if value.get_secret_value())


def _notes(written: Written) -> tuple[str, ...]:
    notes = []
    if written.dry_run:
        notes.append("DRY_RUN: new orders pass every check and are not sent; open trades are watched as ever")
    if written.enable_mirror_trading and len(_accounts(written)) == 1:
        notes.append("ENABLE_MIRROR_TRADING: nothing is repeated, because BYBIT_API_KEY_2 names no mirror account")
    if not written.external_order_protection:
        notes.append(
            "EXTERNAL_ORDER_PROTECTION=false: reduce-only orders that others left where nothing is held any more are "
            "cancelled when a trade ends"
        )
    return tuple(notes)
