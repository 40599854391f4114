"""Settings: where they come from, which source wins; all faults are told at once with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.settings import Settings
from adapters.host.settings_file import Read, SettingsFaults, load_settings
from adapters.host.settings_page import settings_page
from adapters.host.written_settings import Written, is_secret

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
KEY, SECRET, TOKEN = "key-0123456789", "secret-0123456789", "123456:token-abcdefghijklmnopqrstuvwxyz-0123"
LIVE = {"BYBIT_API_KEY": KEY, "BYBIT_API_SECRET": SECRET, "TELEGRAM_TOKEN": TOKEN, "TELEGRAM_ALLOWED_USERS": "4711"}

Load = Callable[..., Read]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """Read settings from an environment, the text of a .env and the text of a file."""
    for name in Written.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def loaded(environment: dict[str, str] | None = None, *, env_file: str | None = None, file: str = "") -> Read:
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        (tmp_path / "standfast.toml").write_text(file, encoding="utf-8")
        if env_file is not None:
            (tmp_path / ".env").write_text(env_file, encoding="utf-8")
        return load_settings(file=tmp_path / "standfast.toml", env_file=tmp_path / ".env")

    return loaded


def faults(load: Load, *given: Any, **more: Any) -> list[str]:
    with pytest.raises(SettingsFaults) as caught:
        load(*given, **more)
    return caught.value.faults


# --- sources --------------------------------------------------------------------------------------------------------
def test_nothing_written_is_paper_mode_with_the_defaults_of_the_tree(load: Load) -> None:
    read = load()
    assert read.settings == Settings()
    assert read.settings.paper
    assert (read.secrets, read.notes) == ((), ())


def test_an_existing_env_of_the_old_names_is_enough_for_a_live_run(load: Load) -> None:
    read = load(
        env_file=f"""
# the old bot's
TELEGRAM_TOKEN={TOKEN}
export BYBIT_API_KEY="{KEY}"
BYBIT_API_SECRET='{SECRET}'
BYBIT_API_KEY_2=mirror-key
BYBIT_API_SECRET_2=mirror-secret
DEFAULT_ALERT_CHAT_ID=4711
CANCEL_LIMITS_ON_TP1=False
CIRCUIT_BREAKER_FAILURE_THRESHOLD=7
SOME_OTHER_PROGRAMS=whatever
EMPTY=
"""
    )
    settings = read.settings
    assert [(each.name, each.api_key, each.api_secret) for each in settings.accounts] == [
        ("main", KEY, SECRET),
        ("mirror", "mirror-key", "mirror-secret"),
    ]
    assert not settings.paper
    assert (settings.chat.token, settings.chat.default_chat_id) == (TOKEN, 4711)
    assert settings.chat.allowed_users == {4711}  # a private chat's id is its user's
    assert settings.trading.cancel_entries_on_first_target is False
    assert settings.alerts.breaker_failures == 7
    assert set(read.secrets) == {TOKEN, KEY, SECRET, "mirror-key", "mirror-secret"}


def test_the_environment_wins_over_env_and_env_over_the_file(load: Load) -> None:
    read = load(
        {"RECONCILE_SECONDS": "10"},
        env_file="reconcile_seconds=20\nSTOP_DEADLINE_SECONDS=21\n",
        file="reconcile_seconds = 30\nstop_deadline_seconds = 31\nown_stop_deadline_seconds = 3.5\n",
    )
    timing = read.settings.timing
    assert timing.slow_read_seconds == 10
    assert timing.stop_deadline_seconds == 21
    assert timing.own_stop_deadline_seconds == 3.5


def test_an_empty_variable_counts_as_not_written(load: Load) -> None:
    read = load({"RECONCILE_SECONDS": "", "BYBIT_API_KEY": ""}, file="reconcile_seconds = 30")
    assert read.settings.timing.slow_read_seconds == 30
    assert read.settings.paper


def test_money_in_the_file_never_passes_through_a_float(load: Load) -> None:
    read = load(file="breakeven_margin = 0.000299999999999999999\nbackstop_distance = '0.0031'")
    assert read.settings.trading.breakeven_margin == Decimal("0.000299999999999999999")
    assert read.settings.trading.backstop_distance == Decimal("0.0031")


@pytest.mark.parametrize(
    "written", ["rung_fractions = '70/20/10'", "rung_fractions = [70, 20, 10]", "rung_fractions = '70%, 20%, 10%'"]
)
def test_rungs_are_written_in_percent(load: Load, written: str) -> None:
    assert load(file=written).settings.trading.rung_fractions == (Decimal("0.7"), Decimal("0.2"), Decimal("0.1"))


@pytest.mark.parametrize(
    "written",
    [
        'plan_presets = "scalp: approach fast risk 0.5%; calm: weights back margin 50usdt;"',
        '[plan_presets]\nscalp = "approach fast risk 0.5%"\ncalm = "weights back margin 50usdt"',
    ],
)
def test_presets_are_written_on_a_line_or_as_a_section(load: Load, written: str) -> None:
    presets = (("scalp", "approach fast risk 0.5%"), ("calm", "weights back margin 50usdt"))
    assert load(file=written).settings.trading.presets == presets


def test_a_section_of_presets_with_something_else_than_words_is_a_fault(load: Load, tmp_path: Path) -> None:
    (fault,) = faults(load, file="[plan_presets]\nscalp = 3")
    assert fault.startswith(f"plan_presets in {tmp_path}/standfast.toml is")
    assert "write names and words of an order" in fault


@pytest.mark.parametrize("written", ["'4711;4712'", "[4711, 4712]", "'4711, 4712,'"])
def test_users_are_written_with_commas_or_as_a_list(load: Load, written: str) -> None:
    assert load(file=f"telegram_allowed_users = {written}").settings.chat.allowed_users == {4711, 4712}


def test_alerts_go_to_the_only_allowed_user_unless_told_otherwise(load: Load) -> None:
    assert load(LIVE).settings.chat.default_chat_id == 4711
    assert load({**LIVE, "DEFAULT_ALERT_CHAT_ID": "-100200"}).settings.chat.default_chat_id == -100200


def test_every_written_setting_reaches_the_tree(load: Load) -> None:
    """Each name alone, set to something else than its default, changes the tree or is explained in a note."""
    other = {
        "bybit_api_key": {"BYBIT_API_KEY": "k", "BYBIT_API_SECRET": "s"},
        "bybit_api_secret": {"BYBIT_API_KEY": "k", "BYBIT_API_SECRET": "t"},
        "bybit_api_key_2": {**LIVE, "BYBIT_API_KEY_2": "k", "BYBIT_API_SECRET_2": "s"},
        "bybit_api_secret_2": {**LIVE, "BYBIT_API_KEY_2": "k", "BYBIT_API_SECRET_2": "t"},
        "bybit_rest_url": {"BYBIT_REST_URL": "http://127.0.0.1:9"},
        "bybit_ws_url": {"BYBIT_WS_URL": "ws://127.0.0.1:9/"},
        "paper_feed": {"PAPER_FEED": "live"},
        "telegram_token": LIVE,
        "telegram_api_url": {"TELEGRAM_API_URL": "http://127.0.0.1:9/base"},
        "telegram_file_url": {"TELEGRAM_FILE_URL": "http://127.0.0.1:9"},
        "telegram_allowed_users": {"TELEGRAM_ALLOWED_USERS": "1"},
        "default_alert_chat_id": {"DEFAULT_ALERT_CHAT_ID": "1"},
        "rung_fractions": {"RUNG_FRACTIONS": "50/50"},
        "plan_presets": {"PLAN_PRESETS": "scalp: approach fast"},
        "fast_slippage": {"FAST_SLIPPAGE": "0.006"},
        "cancel_limits_on_tp1": {"CANCEL_LIMITS_ON_TP1": "no"},
        "enable_mirror_trading": {"ENABLE_MIRROR_TRADING": "yes"},
        "dry_run": {"DRY_RUN": "1"},
        "allowed_symbols": {"ALLOWED_SYMBOLS": "btcusdt, ETHUSDT"},
        "max_capital_in_use": {"MAX_CAPITAL_IN_USE": "0.5"},
        "correlated_groups": {"CORRELATED_GROUPS": "BTC,ETH;SOL"},
        "stop_guard_by_symbol": {"STOP_GUARD_BY_SYMBOL": "yes"},
        "drawdown_lock": {"DRAWDOWN_LOCK": "0.1"},
        "external_order_protection": {"EXTERNAL_ORDER_PROTECTION": "0"},
    }
    trees = {}
    for name in Written.model_fields:
        with pytest.MonkeyPatch.context() as patch:
            usual = "0.006" if name in {"breakeven_margin", "backstop_distance"} else "6"
            for variable, value in other.get(name, {name.upper(): usual}).items():
                patch.setenv(variable, value)
            read = load()
        trees[name] = read
        assert read.settings != Settings() or read.notes, name
    guards = {name: trees[name].settings.guards for name in trees}
    assert guards["allowed_symbols"].allowed_symbols == {"BTCUSDT", "ETHUSDT"}
    assert guards["correlated_groups"].correlated_groups == (frozenset({"BTC", "ETH"}), frozenset({"SOL"}))
    assert guards["idempotency_hours"].idempotency_seconds == 6 * 3600
    assert guards["stop_guard_lock_minutes"].stop_guard_lock_seconds == 6 * 60
    assert trees["bybit_api_key"].settings != trees["bybit_api_secret"].settings
    assert trees["bybit_api_key_2"].settings != trees["bybit_api_secret_2"].settings


# --- faults ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("RECONCILE_SECONDS", "soon", "RECONCILE_SECONDS is soon: write seconds from 5 to 3600"),
        ("RECONCILE_SECONDS", "4.9", "RECONCILE_SECONDS is 4.9: write seconds from 5 to 3600"),
        ("RECONCILE_SECONDS", "nan", "RECONCILE_SECONDS is nan: write seconds from 5 to 3600"),
        ("OWN_STOP_DEADLINE_SECONDS", "inf", "OWN_STOP_DEADLINE_SECONDS is inf: write seconds over 0 up to 60"),
        ("BACKSTOP_DISTANCE", "0", "BACKSTOP_DISTANCE is 0: write a fraction over 0 up to 0.1, such as 0.003"),
        ("BREAKEVEN_MARGIN", "NaN", "BREAKEVEN_MARGIN is NaN: write a fraction from 0 to 0.01, such as 0.0002"),
        ("MAX_TRADES_PER_SYMBOL", "9", "MAX_TRADES_PER_SYMBOL is 9: write a whole number from 1 to 8"),
        ("DRY_RUN", "perhaps", "DRY_RUN is perhaps: write true or false"),
        ("COOLDOWN_SECONDS", "-1", "COOLDOWN_SECONDS is -1: write seconds from 0 to 86400"),
        ("MAX_CAPITAL_IN_USE", "90", "MAX_CAPITAL_IN_USE is 90: write a fraction from 0 to 1, such as 0.9"),
        ("MAX_OPEN_TRADES", "many", "MAX_OPEN_TRADES is many: write a whole number from 0 to 1000"),
        ("ALLOWED_SYMBOLS", "BTC/USDT", "ALLOWED_SYMBOLS is BTC/USDT: write symbols with commas"),
        ("CORRELATED_GROUPS", "BTC+ETH", "CORRELATED_GROUPS is BTC+ETH: write coins with commas and groups"),
        ("CANCEL_LIMITS_ON_TP1", "maybe", "CANCEL_LIMITS_ON_TP1 is maybe: write true or false"),
        ("TELEGRAM_ALLOWED_USERS", "@me", "TELEGRAM_ALLOWED_USERS is @me: write numeric user ids"),
        ("BYBIT_REST_URL", "api.bybit.com", "BYBIT_REST_URL is api.bybit.com: write an address such as https://api"),
        ("BYBIT_REST_URL", "https://api.bybit.com/v5", "write an address such as https://api.bybit.com"),
        ("BYBIT_WS_URL", "https://stream.bybit.com", "write an address such as wss://stream.bybit.com"),
        ("RUNG_FRACTIONS", "85/5/5/x", "RUNG_FRACTIONS is 85/5/5/x: write shares in percent that sum to 100"),
        ("RUNG_FRACTIONS", "85/5/5", "RUNG_FRACTIONS is 85/5/5: write shares over 0 that sum to 100"),
        ("RUNG_FRACTIONS", "105/-5", "RUNG_FRACTIONS is 105/-5: write shares over 0 that sum to 100"),
        ("RUNG_FRACTIONS", "nan/100", "write shares"),
        ("FAST_SLIPPAGE", "0.5", "FAST_SLIPPAGE is 0.5: write a fraction over 0 up to 0.05, such as 0.005"),
        ("PLAN_PRESETS", "approach fast", "PLAN_PRESETS is approach fast: write names and words of an order, such as"),
        ("PLAN_PRESETS", "a: margin 2%; a: margin 3%", "write names and words of an order, such as scalp: approach"),
        ("PLAN_PRESETS", "a: margin 2", "PLAN_PRESETS, a: margin 2 has no unit: write 2%"),
        ("PLAN_PRESETS", "a: margin 2%; B: margin 3%", "PLAN_PRESETS, B: B is no name of a preset: write small"),
        ("PLAN_PRESETS", "a: account mirror", "PLAN_PRESETS, a: account mirror is not known here: write main"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write_instead(
    load: Load, variable: str, value: str, sentence: str
) -> None:
    (fault,) = faults(load, {variable: value})
    assert sentence in fault


def test_all_faults_of_all_sources_come_at_once_each_with_its_place(load: Load, tmp_path: Path) -> None:
    told = faults(
        load,
        {"RECONCILE_SECONDS": "soon", "BYBIT_API_KEY": KEY},
        env_file="BACKSTOP_MIN_TICKS=many\n",
        file="max_trades_per_symbol = 9\nreconcile_second = 30\n[trading]\nx = 1\n",
    )
    assert sorted(told) == sorted(
        [
            "RECONCILE_SECONDS is soon: write seconds from 5 to 3600",
            f"BACKSTOP_MIN_TICKS in {tmp_path}/.env is many: write a whole number from 1 to 1000",
            f"max_trades_per_symbol in {tmp_path}/standfast.toml is 9: write a whole number from 1 to 8",
            f"reconcile_second in {tmp_path}/standfast.toml is not a setting: did you mean reconcile_seconds?",
            (
                f"[trading] in {tmp_path}/standfast.toml is a section, and the only one is [plan_presets]: "
                "write its settings without it"
            ),
            "BYBIT_API_SECRET is missing: a key and its secret go together, write both or neither",
        ]
    )


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"BYBIT_API_KEY": KEY}, "BYBIT_API_SECRET is missing"),
        ({"BYBIT_API_SECRET": SECRET}, "BYBIT_API_KEY is missing"),
        ({**LIVE, "BYBIT_API_KEY_2": KEY}, "BYBIT_API_SECRET_2 is missing"),
        ({"BYBIT_API_KEY_2": KEY, "BYBIT_API_SECRET_2": SECRET}, "BYBIT_API_KEY is missing: a mirror account needs"),
        ({"TELEGRAM_TOKEN": TOKEN}, "TELEGRAM_ALLOWED_USERS is empty, so nobody would be heard"),
        ({"TELEGRAM_TOKEN": TOKEN, "DEFAULT_ALERT_CHAT_ID": "-100"}, "TELEGRAM_ALLOWED_USERS is empty"),
        ({**LIVE, "TELEGRAM_ALLOWED_USERS": "1,2"}, "DEFAULT_ALERT_CHAT_ID is missing and 2 users are allowed"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    load: Load, environment: dict[str, str], sentence: str
) -> None:
    (fault,) = faults(load, environment)
    assert sentence in fault


def test_no_fault_and_no_text_of_the_settings_shows_a_secret(load: Load) -> None:
    told = faults(load, {"BYBIT_API_KEY": KEY, "RECONCILE_SECONDS": "x"}, file="bybit_api_secret_2 = [1234567890]")
    assert any("bybit_api_secret_2 in" in fault and "is not usable: write" in fault for fault in told)
    assert not any(hidden in fault for fault in told for hidden in (KEY, "1234567890"))
    assert "user:pw" not in str(faults(load, {"BYBIT_REST_URL": "http://user:pw@host/v5"}))


def test_a_read_tree_does_not_show_its_secrets(load: Load) -> None:
    shown = repr(load(LIVE).settings)
    assert not any(hidden in shown for hidden in (KEY, SECRET, TOKEN))
    assert "4711" in shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("reconcile_seconds 60", "is not TOML"), ("reconcile_seconds = 1\nreconcile_seconds = 2", "is not TOML")],
)
def test_a_file_that_is_not_toml_is_told_with_an_example(load: Load, text: str, sentence: str) -> None:
    (fault,) = faults(load, file=text)
    assert sentence in fault
    assert "write lines such as reconcile_seconds = 60" in fault


def test_an_unreadable_line_of_env_is_numbered_and_not_shown(load: Load) -> None:
    (fault,) = faults(load, env_file=f"A=1\n\nBYBIT_API_KEY: {KEY}\n")
    assert "line 3 of" in fault
    assert KEY not in fault


def test_a_named_file_that_is_missing_is_a_fault_and_a_default_one_is_not(load: Load, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.toml"
    assert load_settings(file=missing).settings == load().settings
    with pytest.raises(SettingsFaults, match=r"nowhere.toml cannot be read \(No such file or directory\)"):
        load_settings(file=missing, must_exist=True)


@pytest.mark.parametrize("name", ["standfast.toml", ".env"])
def test_a_file_that_is_no_text_is_a_fault(load: Load, tmp_path: Path, name: str) -> None:
    load()
    (tmp_path / name).write_bytes(b"reconcile_seconds = '\xff\xfe'\n")
    with pytest.raises(SettingsFaults, match=name):
        load_settings(file=tmp_path / "standfast.toml", env_file=tmp_path / ".env")


# --- the page -------------------------------------------------------------------------------------------------------
def test_the_page_of_settings_is_the_one_made_from_them() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page()


def test_every_setting_says_what_to_write_and_what_it_is_for() -> None:
    for name, field in Written.model_fields.items():
        assert field.title, name
        assert field.description, name
        assert "|" not in f"{field.title}{field.description}", name
        assert is_secret(name) == (name.endswith(("_key", "_secret", "_key_2", "_secret_2", "_token"))), name


def test_the_defaults_of_the_tree_are_frozen_values() -> None:
    for part in fields(Settings):
        value = getattr(Settings(), part.name)
        assert is_dataclass(value) or isinstance(value, tuple)
        hash(value)
