"""Arguments: argv to a command value, and the help that teaches the verbs.

Enters: what was typed. Stays out: doing any of it. Words are checked here for their form only; whether a trade makes
sense is the desk's to say.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from adapters.cli import adopting, protecting
from adapters.cli.adopting import Adopt
from adapters.cli.exit_options import (
    BreakevenOption,
    ExpireOption,
    FloorOption,
    FollowOption,
    LeaveAfterOption,
    LossOption,
    NetOption,
    TrailFromOption,
    TrailOption,
)
from adapters.cli.protecting import Protection
from adapters.cli.size_options import (
    MarginOption,
    MirrorOption,
    PolicyOption,
    PresetOption,
    RiskOption,
    SlippageOption,
    WeightsOption,
)
from adapters.cli.usual_options import JsonOption, StateOption, YesOption


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
    feed: str
    queues: bool


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
class Change:
    state: Path | None
    which: str
    verb: str  # stop, breakeven, target or answer
    words: tuple[str, ...]  # behind the trade's number, as the chat's commands take them
    yes: bool
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    state: Path | None
    wanted: str  # active, reduce-only, halted; empty: only show it
    why: str
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    state: Path | None
    release: str  # a lock's id; empty: only list them
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    state: Path | None
    about: str  # mirror, orders, separation; empty: all
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    state: Path | None
    account: str
    everything: bool
    yes: bool
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulate:
    seeds: range
    seed: int | None
    case: Path | None
    jobs: int
    hours: float
    trades_an_hour: float
    without: tuple[str, ...]
    story: bool
    whole: bool
    save: bool
    into: Path | None
    planted: bool
    cut_points: bool
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Print the version."""


Command: TypeAlias = (
    Run
    | Demo
    | Exchange
    | Status
    | Trade
    | Close
    | Change
    | Adopt
    | Safety
    | Protection
    | Locks
    | Emergency
    | Verify
    | Simulate
    | Version
)

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
    feed: Annotated[
        str,
        typer.Option(
            "--feed", help="generated, live (Bybit's public prices), or another exchange's address, http://HOST:PORT."
        ),
    ] = "generated",
    queues: Annotated[
        bool, typer.Option("--queues", help="Limit orders wait at their price behind what was there before them.")
    ] = False,
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
        feed=feed,
        queues=queues,
    )


@_app.command(help="Tell how the daemon and its trades stand; exits 0 once the daemon takes commands.")
def status(state: StateOption = None, as_json: JsonOption = False) -> Status:
    return Status(state=state, as_json=as_json)


@_app.command(
    help=(
        "Open a trade. Shows what would be ordered, then asks.\n\n"
        "Example: main.py trade XRPUSDT long --entries 1.19,1.18 --targets 1.22,1.24,1.26,1.28 --stop 1.15 "
        "--margin 2% --leverage 10\n\n"
        "At once: main.py trade XRPUSDT long --approach fast --targets 1.22,1.24 --stop 1.15 --risk 1% --leverage 10"
    )
)
def trade(
    *,
    symbol: Annotated[str, typer.Argument(help="The exchange's name, such as BTCUSDT.")],
    side: Annotated[str, typer.Argument(help="long or short.")],
    entries: Annotated[
        str, typer.Option("--entries", help="Limit prices with commas (P@40% weighs one), or market; fast needs none.")
    ] = "",
    targets: Annotated[
        str, typer.Option("--targets", help="Take-profit prices, nearest first (P@85% weighs one).")
    ] = "",
    stop: Annotated[str, typer.Option("--stop", help="The stop-loss price.")] = "",
    margin: MarginOption = "",
    risk: RiskOption = "",
    leverage: Annotated[str, typer.Option("--leverage", help="Such as 10.")] = "",
    weights: WeightsOption = "",
    slippage: SlippageOption = "",
    approach: Annotated[
        str, typer.Option("--approach", help="conservative (by default), fast, dual or net-target.", show_default=False)
    ] = "",
    preset: PresetOption = "",
    policy: PolicyOption = "",
    account: Annotated[str, typer.Option("--account", help="Which account; main by default.", show_default=False)] = "",
    mirror: MirrorOption = "",
    net: NetOption = "",
    floor: FloorOption = "",
    loss: LossOption = "",
    breakeven: BreakevenOption = "",
    follow: FollowOption = "",
    trail: TrailOption = "",
    trail_from: TrailFromOption = "",
    leave_after: LeaveAfterOption = "",
    expire: ExpireOption = "",
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Trade:
    named = {
        "entries": entries,
        "targets": targets,
        "stop": stop,
        "margin": margin,
        "risk": risk,
        "leverage": leverage,
        "weights": weights,
        "slippage": slippage,
        "approach": approach,
        "preset": preset,
        "policy": policy,
        "account": account,
        "mirror": mirror,
        "net": net,
        "floor": floor,
        "loss": loss,
        "breakeven": breakeven,
        "follow": follow,
        "trail": trail,
        "trail-from": trail_from,
        "leave-after": leave_after,
        "expire": expire,
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


WhichArgument = Annotated[str, typer.Argument(help="The trade's number in status, or its id.", metavar="TRADE")]


@_app.command(
    help=(
        "Move a trade's stop. Shows what is lost there, then asks. Farther out, the backstop moves first; a price that "
        "the market has passed is not taken.\n\nExample: main.py stop 3 1.15"
    )
)
def stop(
    *,
    which: WhichArgument,
    price: Annotated[str, typer.Argument(help="Where the stop is to be; none: run without (policy respect or ask).")],
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Change:
    return Change(state=state, which=which, verb="stop", words=(price,), yes=yes, as_json=as_json)


@_app.command(help="Move a trade's stop to where all its costs are paid. Shows the sum, then asks.")
def breakeven(
    *,
    which: WhichArgument,
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Change:
    return Change(state=state, which=which, verb="breakeven", words=(), yes=yes, as_json=as_json)


@_app.command(
    help=(
        "Move a target of a trade, or take it away (remove): the others share what it was for. Asks first.\n\n"
        "Example: main.py target 3 2 1.24"
    )
)
def target(
    *,
    which: WhichArgument,
    place: Annotated[str, typer.Argument(help="Which target; 1 is the nearest.", metavar="N")],
    price: Annotated[str, typer.Argument(help="Where it is to be, or remove.")],
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Change:
    return Change(state=state, which=which, verb="target", words=(place, price), yes=yes, as_json=as_json)


@_app.command(
    help=(
        "Say what becomes of what you changed at the exchange itself: keep (shows what it means, then asks), or "
        "restore. Without an answer within 5 min it goes back.\n\nExample: main.py answer 3 keep"
    )
)
def answer(
    *,
    which: WhichArgument,
    word: Annotated[str, typer.Argument(help="keep or restore.", metavar="keep|restore")],
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Change:
    return Change(state=state, which=which, verb="answer", words=(word,), yes=yes, as_json=as_json)


_app.command(help=adopting.HELP)(adopting.adopt)
_app.command(help=protecting.HELP)(protecting.protection)


_SAFETY_STATES = ("active", "reduce-only", "halted")


def _safety_state(text: str) -> str:
    if text and text.lower() not in _SAFETY_STATES:
        raise typer.BadParameter(f"{text!r} is no safety state; write one of: {', '.join(_SAFETY_STATES)}")
    return text.lower()


@_app.command(
    help=(
        "Show the safety state, or set it: active; reduce-only (unfilled entries cancelled, no new ones); halted "
        "(nothing but protection and your own closes). It holds across restarts until it is set again.\n\n"
        'Example: main.py safety reduce-only --why "away over the weekend"'
    )
)
def safety(
    *,
    wanted: Annotated[
        str, typer.Argument(help="active, reduce-only or halted; none shows it.", parser=_safety_state, metavar="STATE")
    ] = "",
    why: Annotated[str, typer.Option("--why", help="The reason, kept and shown beside the state.")] = "",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> Safety:
    if wanted and not why.strip():
        raise typer.BadParameter(
            f'the reason is missing; write it, as in: main.py safety {wanted} --why "maintenance at the exchange"'
        )
    if why and not wanted:
        raise typer.BadParameter(f"--why belongs to a state; write one of: {', '.join(_SAFETY_STATES)}")
    return Safety(state=state, wanted=wanted, why=why.strip(), as_json=as_json)


@_app.command(
    help=(
        "List what locks new entries (stop-loss guard, drawdown), or open one lock by hand.\n\n"
        "Example: main.py locks release L2"
    )
)
def locks(
    *,
    action: Annotated[str, typer.Argument(help="release, or nothing: list them.", metavar="[release]")] = "",
    lock_id: Annotated[str, typer.Argument(help="The lock's id, such as L2.", metavar="[ID]")] = "",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> Locks:
    if action and action.lower() != "release":
        raise typer.BadParameter(f"{action!r} cannot be done to locks; write: main.py locks release ID")
    if action and not lock_id:
        raise typer.BadParameter("which lock is missing; main.py locks lists them: main.py locks release ID")
    return Locks(state=state, release=lock_id, as_json=as_json)


@_app.command(
    help=(
        "Leave everything of ours on an account now: entries cancelled, positions closed at market, stops cancelled "
        "once flat. Nothing new is opened until you set the safety state to active. Then says what remains there that "
        "is not ours; that is left alone, but with --everything.\n\nExample: main.py emergency --account main --yes"
    )
)
def emergency(
    *,
    account: Annotated[str, typer.Option("--account", help="Which account, such as main.")],
    everything: Annotated[
        bool, typer.Option("--everything", help="What others hold and have ordered there, too; named before it asks.")
    ] = False,
    state: StateOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> Emergency:
    return Emergency(state=state, account=account, everything=everything, yes=yes, as_json=as_json)


_ABOUTS = ("mirror", "orders", "separation")


@_app.command(
    help=(
        "Compare the trades with the exchange: do the slices sum to the positions (separation), does each order of "
        "ours belong to one trade (orders), do mirrors go with main (mirror). Exits 1 with findings.\n\n"
        "Example: main.py verify mirror --json"
    )
)
def verify(
    *,
    about: Annotated[
        str,
        typer.Argument(help="mirror, orders or separation; without one, all.", metavar="[mirror|orders|separation]"),
    ] = "",
    state: StateOption = None,
    as_json: JsonOption = False,
) -> Verify:
    if about and about.lower() not in _ABOUTS:
        raise typer.BadParameter(f"{about!r} cannot be verified; write one of {', '.join(_ABOUTS)}, or nothing for all")
    return Verify(state=state, about=about.lower(), as_json=as_json)


# --- simulate --------------------------------------------------------------------------------------------------------
_MOST_HOURS, _MOST_TRADES = 1000.0, 600.0
_SEEDS, _PLANTED_SEEDS = range(1, 21), range(1, 201)


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    try:
        begin = int(first)
        end = int(last) if dots else begin
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no range of seeds; write two whole numbers as in 1..200") from None
    if begin < 0 or end < begin:
        raise typer.BadParameter(f"{text!r} is an empty range; write the smaller seed first, from 0 up, as in 1..200")
    return range(begin, end + 1)


def _jobs(text: str) -> int:
    try:
        jobs = int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number of processes; write a whole number, as in 2") from None
    if not 1 <= jobs <= 256:  # noqa: PLR2004 - more is a slip of the finger
        raise typer.BadParameter(f"{text} processes cannot run; write a whole number from 1 to 256")
    return jobs


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no duration; write virtual hours, as in 0.25 or 24") from None
    if not 0 < hours <= _MOST_HOURS:
        raise typer.BadParameter(f"{text} hours cannot be simulated; write more than 0, at most {_MOST_HOURS:g}")
    return hours


def _trades(text: str) -> float:
    try:
        trades = float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number of trades; write how many an hour, as in 10") from None
    if not 0 < trades <= _MOST_TRADES:
        raise typer.BadParameter(f"{text} trades an hour cannot be; write more than 0, at most {_MOST_TRADES:g}")
    return trades


@_app.command(
    help=(
        "Prove it: run the whole daemon in a simulated world for each seed, under virtual time, with random faults "
        "(lost answers, crashes, full disks, cut streams ...) and every promise checked after every step.\n\n"
        "The same seed is the same world. Exits 0 only when every invariant held in every world.\n\n"
        "Examples: main.py simulate --seeds 1..200 --jobs 2; then, for a seed that failed, main.py simulate --seed 17 "
        "--story; then --save, which makes it a regression case. How to read it all: docs/testing.md"
    )
)
def simulate(
    *,
    seeds: Annotated[
        range | None,
        typer.Option(
            "--seeds",
            help="Which worlds, as in 1..200; 1..20 by default.",
            parser=_seeds,
            metavar="A..B",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="A single world; shrunk when it fails.", min=0)] = None,
    case: Annotated[
        Path | None, typer.Option("--case", help="A saved case instead of a seed.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", help="Processes; by default one a core.", parser=_jobs, metavar="N", show_default=False),
    ] = None,
    hours: Annotated[
        float,
        typer.Option("--hours", help="Virtual time of each world.", parser=_hours, metavar="H"),
    ] = 1.0,
    trades: Annotated[
        float,
        typer.Option("--trades", help="Trades that should come of each hour.", parser=_trades, metavar="N"),
    ] = 10.0,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave a fault out; again for each.", metavar="FAULT")
    ] = None,
    story: Annotated[
        bool, typer.Option("--story", help="With --seed or --case: tell what led to the violation.")
    ] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Do not shrink a failing world first.")] = False,
    save: Annotated[
        bool, typer.Option("--save", help="With --seed: write the failing world, shrunk, as a regression case.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option("--into", help="Folder for --save; by default tests/scenarios/cases.", show_default=False),
    ] = None,
    planted: Annotated[
        bool, typer.Option("--planted", help="Test the test: plant bugs, one by one, and tell which are caught.")
    ] = False,
    cut_points: Annotated[
        bool,
        typer.Option("--cut-points", help="No seeds: crash every order operation at every point, one run for each."),
    ] = False,
    as_json: JsonOption = False,
) -> Simulate:
    single = [name for name, given in (("--seed", seed is not None), ("--case", case is not None)) if given]
    ways = [*single, *(["--planted"] if planted else []), *(["--cut-points"] if cut_points else [])]
    ways += [*(["--seeds"] if seeds is not None and not planted else [])]
    if len(ways) > 1:
        raise typer.BadParameter(f"{' and '.join(ways)} ask for different worlds; write one of them")
    if (story or save or whole) and not single:
        raise typer.BadParameter("--story, --save and --whole look into a single world; write --seed N beside them")
    if into is not None and not save:
        raise typer.BadParameter("--into says where a case is saved; write --save beside it")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Simulate(
        seeds=seeds if seeds is not None else _PLANTED_SEEDS if planted else _SEEDS,
        seed=seed,
        case=case,
        jobs=jobs if jobs is not None else cores,
        hours=hours,
        trades_an_hour=trades,
        without=tuple(without or ()),
        story=story,
        whole=whole,
        save=save,
        into=into,
        planted=planted,
        cut_points=cut_points,
        as_json=as_json,
    )
