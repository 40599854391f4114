"""Arguments: argv to a command value, and the help that teaches the verbs.

Enters: what was typed. Stays out: doing any of it. Words are checked here for their form only; whether a trade makes
sense is the desk's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="The daemon's folder; by default 'standfast' in your state home.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking again.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    state: Path | None
    settings_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    seed: int
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    port: int
    seed: int
    replay_file: Path | None
    symbol: str
    speed: str
    instruments: int
    state_file: Path | None
    control: bool
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    state: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    state: Path | None
    words: str  # the one-line order, as the chat's /trade takes it
    yes: bool
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    state: Path | None
    which: str
    yes: bool
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Print the version."""


Command: TypeAlias = Run | Demo | Exchange | Status | Trade | Close | Version

_app = typer.Typer(
    name="standfast",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Standfast stands watch over leveraged positions on Bybit: it opens trades from a plan, keeps targets and "
        "stops at the exchange right, and tells you each step in Telegram.\n\n"
        "Without API keys it trades on paper, against a local exchange."
    ),
    epilog=(
        "Begin with: main.py demo. Then main.py run in one terminal, and in another main.py trade XRPUSDT long "
        "--entries 1.19,1.18 --targets 1.22,1.24,1.26,1.28 --stop 1.15 --margin 2% --leverage 10"
    ),
)


def parse(argv: Sequence[str], *, version: str) -> Command | int:
    """Read the arguments (program name left out).

    Returns:
        The command, or, where help was shown or the arguments were wrong, the exit code (0 or 2).

    """
    if list(argv) == ["--version"]:
        return Version()
    try:
        outcome: Command | int = _app(list(argv), standalone_mode=False, prog_name="main.py", obj=version)
    except typer.Exit as ending:
        return ending.exit_code
    except typer.Abort:
        return 2
    except Exception as error:  # typer's own family of usage errors, whose base it does not export
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    return outcome


@_app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Say nothing of its own: the verbs do the work."""
    if version:
        raise typer.BadParameter("--version stands alone: main.py --version")


@_app.command(help="Run the daemon in the foreground until it is stopped (Ctrl-C or SIGTERM).")
def run(
    state: StateOption = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="A TOML file of settings; by default standfast.toml in the state folder."),
    ] = None,
) -> Run:
    return Run(state=state, settings_file=settings)


@_app.command(
    help="Show it all in about a minute: a local exchange, several trades, injected faults, every promise checked."
)
def demo(
    seed: Annotated[int, typer.Option("--seed", help="Another market each.", min=0)] = 1,
    as_json: JsonOption = False,
) -> Demo:
    return Demo(seed=seed, as_json=as_json)


@_app.command(
    help="Serve a local Bybit (HTTP /v5/..., WebSocket /v5/public/linear and /v5/private) on one loopback port."
)
def exchange(
    *,
    port: Annotated[int, typer.Option("--port", help="0 takes any free one.", min=0, max=65535)],
    seed: Annotated[int, typer.Option("--seed", help="Of the generated prices.", min=0)] = 1,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", help="A CSV of candles (start,open,high,low,close,volume) to replay for --symbol."),
    ] = None,
    symbol: Annotated[str, typer.Option("--symbol", help="The symbol the replayed candles belong to.")] = "",
    speed: Annotated[
        str, typer.Option("--speed", help="Market seconds per second; 0 freezes prices, only /control moves them.")
    ] = "1",
    instruments: Annotated[int, typer.Option("--instruments", help="So many synthetic ones more.", min=0)] = 0,
    state: Annotated[
        Path | None, typer.Option("--state", help="A file to keep orders and balances in across restarts.")
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Serve /control/prices, /control/faults, /control/state.")
    ] = False,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account", help="NAME:KEY:SECRET:USDT, again for each; by default main and mirror paper accounts."
        ),
    ] = None,
) -> Exchange:
    return Exchange(
        port=port,
        seed=seed,
        replay_file=replay,
        symbol=symbol.upper(),
        speed=speed,
        instruments=instruments,
        state_file=state,
        control=control,
        accounts=tuple(account or ()),
    )


@_app.command(help="Tell how the daemon and its trades stand; exits 0 once the daemon takes commands.")
def status(state: StateOption = None, as_json: JsonOption = False) -> Status:
    return Status(state=state, as_json=as_json)


@_app.command(
    help=(
        "Open a trade. Shows what would be ordered, then asks.\n\n"
        "Example: main.py trade XRPUSDT long --entries 1.19,1.18 --targets 1.22,1.24,1.26,1.28 --stop 1.15 "
        "--margin 2% --leverage 10"
    )
)
def trade(
    *,
    symbol: Annotated[str, typer.Argument(help="The exchange's name, such as BTCUSDT.")],
    side: Annotated[str, typer.Argument(help="long or short.")],
    entries: Annotated[
        str, typer.Option("--entries", help="Limit prices with commas (P@40% weighs one), or market.")
    ] = "",
    targets: Annotated[
        str, typer.Option("--targets", help="Take-profit prices, nearest first (P@85% weighs one).")
    ] = "",
    stop: Annotated[str, typer.Option("--stop", help="The stop-loss price.")] = "",
    margin: Annotated[str, typer.Option("--margin", help="Share of the available balance, such as 2%.")] = "",
    leverage: Annotated[str, typer.Option("--leverage", help="Such as 10.")] = "",
    approach: Annotated[str, typer.Option("--approach", help="Only conservative for now.")] = "conservative",
    account: Annotated[str, typer.Option("--account", help="Which account.")] = "main",
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Trade:
    named = {
        "entries": entries,
        "targets": targets,
        "stop": stop,
        "margin": margin,
        "leverage": leverage,
        "approach": approach,
        "account": account,
    }
    words = " ".join([symbol, side, *(f"--{name} {value}" for name, value in named.items() if value)])
    return Trade(state=state, words=words, yes=yes, as_json=as_json)


@_app.command(help="Close a trade now (its number, as status shows it), or all: rungs cancelled, closed at market.")
def close(
    which: Annotated[str, typer.Argument(help="A trade's number, its id, or all.")],
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Close:
    return Close(state=state, which=which, yes=yes, as_json=as_json)
