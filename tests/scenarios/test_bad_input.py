"""What does not fit is refused in a sentence with what to write instead; nothing is sent and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "entries": "0.62,0.61",
    "targets": "0.64,0.65,0.66,0.67",
    "stop": "0.59",
    "margin": "2%",
    "leverage": "10",
}


def words(symbol: str = "XRPUSDT", side: str = "long", **changed: str) -> str:
    return " ".join([symbol, side, *(f"--{name} {value}" for name, value in {**GOOD, **changed}.items())])


@pytest.fixture(scope="module", name="room")
def _room(tmp_path_factory: pytest.TempPathFactory, make_stage: Any) -> Iterator[Any]:
    """One running daemon for all the refusals: they change nothing."""
    for stage in make_stage(tmp_path_factory.mktemp("refusals"), "--speed", "0"):
        stage.exchange.move(XRPUSDT="0.63")
        stage.daemon.start()
        yield stage


CASES = [
    ("unknown symbol", words("NOPEUSDT"), ["NOPEUSDT", "write"]),
    ("symbol without quote", words("XRP"), ["XRP", "XRPUSDT"]),
    ("unknown side", words(side="up"), ["up", "long"]),
    ("price off tick", words(entries="0.62005,0.61"), ["0.62005", "0.6200", "0.6201"]),
    ("entry above the market", words(entries="0.64"), ["0.64", "market"]),
    ("stop on the wrong side", words(stop="0.63"), ["stop", "below"]),
    ("target on the wrong side", words(targets="0.60,0.65,0.66,0.67"), ["0.6"]),
    ("targets out of order", words(targets="0.65,0.64,0.66,0.67"), ["target"]),
    ("stop beyond liquidation", words(leverage="50", stop="0.55"), ["liquidation", "write"]),
    ("no margin", words(margin="0%"), ["margin", "0%"]),
    ("too much margin", words(margin="101%"), ["101%", "100%"]),
    ("leverage over the cap", words(leverage="1000"), ["1000", "75"]),
    ("too small", words(margin="0.001%"), ["smallest order", "margin"]),
    ("not a number", words(stop="abc"), ["abc"]),
    ("everything missing", "XRPUSDT long", ["entries", "targets", "stop", "margin", "leverage"]),
]


@pytest.mark.parametrize(("said", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_wrong_order_is_refused_with_what_to_write_instead(room: Any, said: str, wanted: list[str]) -> None:
    answer = room.daemon.ask("open", words=said, command_id=f"bad-{hash(said)}")
    assert "refused" in answer, answer
    text = "\n".join(answer["refused"])
    assert [word for word in wanted if word not in text] == [], text
    assert room.exchange.books()["orders"] == []


def test_all_faults_are_told_at_once(room: Any) -> None:
    answer = room.daemon.ask("open", words=words(stop="0.7", margin="0%", leverage="1000"), command_id="many")
    text = "\n".join(answer["refused"])
    assert [word for word in ("stop", "margin", "leverage") if word not in text] == []


def test_the_opposite_side_in_one_way_mode_and_the_ninth_trade_are_refused(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    for number in range(8):
        assert "ok" in stage.daemon.ask("open", words=words(margin="1%"), command_id=f"trade-{number}")
    ninth = stage.daemon.ask("open", words=words(margin="1%"), command_id="trade-9")
    assert "8" in "\n".join(ninth["refused"])
    short = words(side="short", entries="0.65", targets="0.62,0.61,0.60,0.59", stop="0.68")
    opposite = stage.daemon.ask("open", words=short, command_id="short")
    assert "one-way" in "\n".join(opposite["refused"])
    until("the entries of eight trades", lambda: len(stage.exchange.live_orders()) == 16)


def test_an_exchange_that_cannot_be_read_is_not_taken_for_bad_input(stage: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.daemon.start()
    stage.exchange.fault(path="/v5/position/list", kind="http_503", times=50)
    answer = stage.daemon.ask("preview", seconds=40.0, words=words())
    assert "refused" not in answer
    assert "failed" in answer


def test_a_side_that_holds_foreign_quantity_is_refused(stage: Any, until: Any) -> None:
    stage.exchange.move(XRPUSDT="0.63")
    stage.exchange.order_by_hand("XRPUSDT", "Buy", "100")
    stage.daemon.start()

    def refusal() -> str:
        preview = stage.daemon.ask("preview", words=words())
        return "\n".join(preview.get("refused", []))

    until("the foreign quantity to be noticed", lambda: "100 XRP" in refusal())
    assert "adopt or close" in refusal()
    assert stage.exchange.held("XRPUSDT") == 100


# --- the command line ---------------------------------------------------------------------------------------------
def main(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "main.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_ends_with_2_for_wrong_input_and_69_without_a_daemon(room: Any, tmp_path: Path) -> None:
    state = str(room.daemon.state)
    wrong = main("trade", "XRPUSDT", "long", "--stop", "abc", "--yes", "--state", state)
    assert wrong.returncode == 2
    assert "abc" in wrong.stderr
    nobody = main("status", "--state", str(tmp_path / "nobody"))
    assert nobody.returncode == 69
    assert "main.py run" in nobody.stderr
    assert main("close", "7", "--yes", "--state", state).returncode == 2
    assert main("frobnicate").returncode == 2


def test_a_second_daemon_names_the_holder_and_ends_with_75(room: Any) -> None:
    second = main("run", "--state", str(room.daemon.state), environment=room.daemon.environment)
    assert second.returncode == 75
    assert str(room.daemon.process.pid) in second.stderr
    assert "run_locked" in second.stderr


def test_wrong_settings_are_all_told_and_end_with_78(tmp_path: Path, room: Any) -> None:
    broken = {
        **room.daemon.environment,
        "BACKSTOP_DISTANCE": "7",
        "TELEGRAM_ALLOWED_USERS": "me",
        "BYBIT_API_SECRET": "",
    }
    refused = main("run", "--state", str(tmp_path / "state"), environment=broken)
    assert refused.returncode == 78
    for name in ("BACKSTOP_DISTANCE", "TELEGRAM_ALLOWED_USERS", "BYBIT_API_SECRET"):
        assert name in refused.stderr
    assert "paper-main-key" not in refused.stderr
    unreadable = tmp_path / "settings.toml"
    unreadable.write_text("this is [not toml", encoding="utf-8")
    refused = main("run", "--state", str(tmp_path / "state"), "--settings", str(unreadable))
    assert refused.returncode == 78
    assert str(unreadable) in refused.stderr


def test_a_key_the_exchange_does_not_know_ends_with_78(tmp_path: Path, room: Any) -> None:
    environment = {**room.daemon.environment, "BYBIT_API_KEY": "unknown", "BYBIT_API_SECRET": "unknown"}
    refused = main("run", "--state", str(tmp_path / "state"), environment=environment)
    assert refused.returncode == 78
    assert "key" in refused.stderr
    assert "account main" in refused.stderr


def test_damaged_state_ends_with_78_and_stays_as_it_is(tmp_path: Path, stage: Any) -> None:
    stage.daemon.start()
    assert stage.daemon.end() == 0
    store = stage.daemon.state / "store.sqlite"
    damaged = bytearray(store.read_bytes())
    damaged[100:2000] = bytes(1900)
    store.write_bytes(bytes(damaged))
    refused = main("run", "--state", str(stage.daemon.state), environment=stage.daemon.environment)
    assert refused.returncode == 78, refused.stderr
    assert "store.sqlite" in refused.stderr
    assert store.read_bytes() == bytes(damaged)


def test_a_folder_of_live_trades_is_not_taken_over_by_paper_nor_by_another_user(tmp_path: Path, stage: Any) -> None:
    stage.daemon.start()
    assert stage.daemon.end() == 0
    state = str(stage.daemon.state)
    keys = ("BYBIT_API_KEY", "BYBIT_API_SECRET")
    paper = {name: value for name, value in stage.daemon.environment.items() if name not in keys}
    refused = main("run", "--state", state, environment=paper)
    assert refused.returncode == 78
    assert "belongs to live trading" in refused.stderr
    assert "--state" in refused.stderr
    mirror = {**paper, "BYBIT_API_KEY": "paper-mirror-key", "BYBIT_API_SECRET": "paper-mirror-secret"}
    refused = main("run", "--state", state, environment=mirror)
    assert refused.returncode == 78
    assert "belongs to user" in refused.stderr
