"""What a person may write or press in a chat, and what the daemon takes it for.

Enters: the text of a message, the data of a button. Stays out: doing it, the chat service, trade plans (plan_text).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import TypeAlias

from actors.model.guarding import SafetyState
from actors.model.screen import Button, Screen
from actors.model.trade_change import ChangeKind, TradeChange

PRESS_PREFIX = "v1"
DATA_BYTES = 64  # the most a button may carry


@dataclass(frozen=True, slots=True, kw_only=True)
class AskHelp:
    topic: str = ""  # a command's name, or nothing
    welcome: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStatus:
    number: int | None = None
    table: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTrade:
    words: str  # all after the command


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftClose:
    which: str  # a number, a trade id, "all", or nothing: let the person choose


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftChange:
    which: str  # a number or a trade id; nothing: let the person choose
    change: TradeChange


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftAdopt:
    words: tuple[str, ...]  # all behind the command


@dataclass(frozen=True, slots=True, kw_only=True)
class AskHealth:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class AskVersion:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSafety:
    wanted: SafetyState | None = None  # None: only show it
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskProtection:
    wanted: bool | None = None  # None: only show it
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftEmergency:
    account: str
    everything: bool = False  # what others have there, too


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLocks:
    release: str = ""  # a lock's id; empty: only list them


@dataclass(frozen=True, slots=True, kw_only=True)
class Misunderstood:
    """Nothing that can be done; the lines say what to write instead."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A Confirm or Cancel button."""

    nonce: str
    confirmed: bool


Command: TypeAlias = (
    AskHelp
    | AskStatus
    | DraftTrade
    | DraftClose
    | DraftChange
    | DraftAdopt
    | AskHealth
    | AskVersion
    | AskSafety
    | AskProtection
    | DraftEmergency
    | AskLocks
    | Misunderstood
)

HELP: dict[str, tuple[str, ...]] = {
    "status": (
        "/status: all open trades, each with its stop and how fresh that knowledge is",
        "/status 3: trade 3 alone",
        "/status table: one line a trade",
    ),
    "trade": (
        "/trade SYMBOL long|short ...: shows the plan with its quantities and the loss at the stop, then asks",
        "Two limit entries:",
        "/trade BTCUSDT long entries 64000,63500 targets 66000,67000,68000,70000 stop 62800 margin 2% leverage 10",
        "At once, no farther than 0.3% from the price, sized to lose 1% of the equity at the stop:",
        "/trade BTCUSDT long approach fast slippage 0.3% targets 66000,68000 stop 62800 risk 1% leverage 10",
        "Two entries, more at the nearest, for 200 USDT of margin:",
        "/trade BTCUSDT long entries 64000,63000 weights front targets 66000 stop 62000 margin 200usdt leverage 5",
        "Half at once, half at limits, as two trades that share nothing but the price:",
        "/trade BTCUSDT long approach dual entries 64000,63500 targets 66000,68000 stop 62800 margin 2% leverage 10",
        "preset NAME takes the words of a preset from the settings; what the line says itself wins.",
        "At the market:",
        "/trade XRPUSDT short entries market targets 2.1,2.0,1.9,1.8 stop 2.35 margin 1% leverage 5",
        "Target, floor and stop in USDT after both fees, 10, 7 and 30, worked out for what is paid:",
        "/trade XRPUSDT long entries market margin 5% leverage 10 approach net-target net 10 floor 7 loss 30",
        "A stop that trails by 0.5% from 1% on; out after 4 h; unfilled entries end after 30 min or a touched target:",
        (
            "/trade BTCUSDT long entries 64000 targets 66000,67000 stop 62800 margin 2% leverage 10 "
            "trail 0.5% trail-from 1% leave-after 4h expire 30m,touch"
        ),
        "breakeven 2 moves the stop there after target 2; follow 3, from target 3 on, to the target before.",
        "Nothing is sent before you press Confirm, within 60 s.",
    ),
    "close": (
        "/close 3: leave trade 3 at the market, after a confirmation",
        "/close all: leave every trade",
        "/close: choose from the open ones",
    ),
    "stop": (
        "/stop 3 1.15: move the stop of trade 3, after a confirmation that shows what is lost there",
        "Farther out, the backstop moves first; a price that the market has passed is not taken.",
        "/stop 3 none: run WITHOUT a stop of its own, after a confirmation (policy respect or ask); the backstop stays",
    ),
    "breakeven": (
        "/breakeven 3: the stop of trade 3 to where all costs are paid, after a confirmation that shows the sum",
        "/breakeven: choose from the trades that hold something",
    ),
    "target": (
        "/target 3 2 1.24: move target 2 of trade 3, after a confirmation",
        "/target 3 2 remove: take it away; the other targets share what it was for",
    ),
    "answer": (
        "/answer 3 keep: what you changed of trade 3 at the exchange stays, after a confirmation that shows the loss",
        "/answer 3 restore: it goes back, as it does without an answer within 5 min",
    ),
    "adopt": (
        "/adopt main XRPUSDT stop 1.15 targets 1.22,1.24: watch what of a position belongs to no trade",
        "Shows the plan, then asks; nothing is bought. Your own stops go once the trade's stop and the backstop stand.",
        "In hedge mode write the side: /adopt main XRPUSDT long stop 1.15. Targets may be left out.",
    ),
    "safety": (
        "/safety: what the daemon may do, who set it, when and why",
        "/safety reduce-only REASON: cancel unfilled entries and open nothing new, at once",
        "/safety halted REASON: beside that nothing but protection and your own closes, at once",
        "/safety active REASON: let everything through again, after a confirmation",
    ),
    "protection": (
        "/protection: whether what others have ordered is left alone, who said so, when and why",
        "/protection off REASON: reduce-only orders they left where nothing is held any more go, after a confirmation",
        "/protection on REASON: leave everything of theirs alone, at once",
    ),
    "emergency": (
        "/emergency main: leave everything of ours on an account at market and open nothing new, after a confirmation",
        "/emergency main everything: what others hold and have ordered there goes too, every order last",
    ),
    "locks": (
        "/locks: what locks new entries, and until when",
        "/locks release L2: open one by hand, after a confirmation",
    ),
    "health": ("/health: what works, what does not, and since when",),
    "version": ("/version: which Standfast this is",),
    "help": ("/help: all commands", "/help trade: one command with examples"),
    "start": ("/start: say hello; alerts without a chat of their own come to the first chat that does",),
}
ALIASES = {"fx": "close", "forceexit": "close", "forcesell": "close", "open": "trade", "positions": "status"}
ACTING = frozenset({"trade", "close", "stop", "breakeven", "target", "answer", "adopt"})  # commands that lead to orders


def parse(text: str) -> Command:
    """Understand a message. Never fails: what cannot be understood says what to write instead."""
    words = text.split()
    if not words or not words[0].startswith("/"):
        return Misunderstood(lines=("Commands begin with a slash. /help shows them all.",))
    name = _name(words[0])
    rest = words[1:]
    meant = ALIASES.get(name, name)
    if meant in _WORDS_OF_CHANGE:
        return _change(meant, rest)
    read = _READERS.get(meant)
    return _unknown(meant) if read is None else read(rest)


def acts_on_trades(command: Command) -> bool:
    """Whether it leads to orders, and so must be fresh."""
    return isinstance(command, DraftTrade | DraftClose | DraftChange | DraftAdopt)


def _name(word: str) -> str:
    return word.removeprefix("/").partition("@")[0].lower()


def _status(rest: list[str]) -> Command:
    if not rest:
        return AskStatus()
    if rest[0].lower() == "table":
        return AskStatus(table=True)
    number = _number(rest[0])
    if number is None:
        return Misunderstood(lines=(f"{rest[0]!r} is no trade number.", *HELP["status"]))
    return AskStatus(number=number)


def _close(rest: list[str]) -> Command:
    if len(rest) > 1:
        return Misunderstood(lines=("One trade at a time, or all.", *HELP["close"]))
    return DraftClose(which=rest[0].removeprefix("#") if rest else "")


def _change(verb: str, rest: list[str]) -> Command:
    if verb == "breakeven" and not rest:
        return DraftChange(which="", change=TradeChange(kind=ChangeKind.BREAKEVEN))
    change = read_change(verb, rest[1:])
    if isinstance(change, str):
        return Misunderstood(lines=(change, *HELP[verb]))
    return DraftChange(which=rest[0].removeprefix("#"), change=change)


_ANSWERS = {each.value: TradeChange(kind=each) for each in (ChangeKind.KEEP, ChangeKind.RESTORE)}
_WORDS_OF_CHANGE = {"stop": 1, "breakeven": 0, "target": 2, "answer": 1}  # behind the trade's number
_AWAY = frozenset({"remove", "off", "none"})


def read_change(verb: str, words: Sequence[str]) -> TradeChange | str:
    """Read what stands behind a trade's number; a text says what is wrong with it.

    Args:
        verb: "stop", "breakeven", "target" or "answer".
        words: a price, or "none"; nothing; a target's place and a price, or "remove"; "keep" or "restore".

    """
    if len(words) != _WORDS_OF_CHANGE[verb]:
        return {
            "answer": "Which trade, and keep or restore? Write both.",
            "stop": "Which trade, and which price? Write both.",
            "breakeven": "One trade at a time, and no price: it is worked out.",
            "target": "Which trade, which target, and which price? Write all three.",
        }[verb]
    if verb == "breakeven":
        return TradeChange(kind=ChangeKind.BREAKEVEN)
    if verb == "answer":
        return _ANSWERS.get(words[0].lower()) or f"{words[0]!r} is no answer: write keep or restore."
    if verb == "stop" and words[0].lower() in _AWAY:
        return TradeChange(kind=ChangeKind.NO_STOP)
    place = None if verb == "stop" else _number(words[0])
    if verb == "target" and not place:
        return f"{words[0]!r} is no target: they are numbered from 1, the nearest."
    if verb == "target" and words[1].lower() in _AWAY:
        return TradeChange(kind=ChangeKind.NO_TARGET, place=place)
    price = _price(words[-1])
    if price is None:
        return f"{words[-1]!r} is no price: write a number over 0 with a point, such as 1.15."
    return TradeChange(kind=ChangeKind.STOP if place is None else ChangeKind.TARGET, price=price, place=place)


def _price(word: str) -> Decimal | None:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", word):
        return None
    return Decimal(word) or None


def _safety(rest: list[str]) -> Command:
    if not rest:
        return AskSafety()
    state, why = rest[0].lower(), " ".join(rest[1:])
    if state not in {each.value for each in SafetyState}:
        return Misunderstood(lines=(f"{rest[0]!r} is no safety state.", *HELP["safety"]))
    if not why:
        line = f"The reason is missing: write it behind, as in /safety {state} maintenance at the exchange"
        return Misunderstood(lines=(line,))
    return AskSafety(wanted=SafetyState(state), why=why)


def _protection(rest: list[str]) -> Command:
    if not rest:
        return AskProtection()
    word, why = rest[0].lower(), " ".join(rest[1:])
    if word not in {"on", "off"}:
        return Misunderstood(lines=(f"{rest[0]!r} is neither on nor off.", *HELP["protection"]))
    if not why:
        line = f"The reason is missing: write it behind, as in /protection {word} tidying up after the old bot"
        return Misunderstood(lines=(line,))
    return AskProtection(wanted=word == "on", why=why)


def _emergency(rest: list[str]) -> Command:
    words = [word.lower() for word in rest]
    if len(words) == 1 or (len(words) == 2 and words[1] == "everything"):  # noqa: PLR2004 - the account and the word
        return DraftEmergency(account=words[0], everything=len(words) > 1)
    return Misunderstood(lines=("Which account is to be left?", *HELP["emergency"]))


def _locks(rest: list[str]) -> Command:
    if not rest:
        return AskLocks()
    if rest[0].lower() == "release" and len(rest) == 2:  # noqa: PLR2004 - the word and the id
        return AskLocks(release=rest[1].upper())
    return Misunderstood(lines=("Locks are listed, or released one at a time.", *HELP["locks"]))


_READERS: dict[str, Callable[[list[str]], Command]] = {
    "start": lambda _: AskHelp(welcome=True),
    "help": lambda rest: AskHelp(topic=_name(rest[0]) if rest else ""),
    "status": _status,
    "trade": lambda rest: DraftTrade(words=" ".join(rest)),
    "close": _close,
    "adopt": lambda rest: DraftAdopt(words=tuple(rest)),
    "safety": _safety,
    "protection": _protection,
    "emergency": _emergency,
    "locks": _locks,
    "health": lambda _: AskHealth(),
    "version": lambda _: AskVersion(),
}


def _number(word: str) -> int | None:
    digits = word.removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None  # noqa: PLR2004 - no trade number is that long


def _unknown(name: str) -> Misunderstood:
    near = get_close_matches(name, [*HELP, *ALIASES], n=1, cutoff=0.5)
    meant = (f"Did you mean /{ALIASES.get(near[0], near[0])}?",) if near else ()
    return Misunderstood(lines=(f"There is no command /{name}.", *meant, "/help shows them all."))


# --- buttons ----------------------------------------------------------------------------------------------------
def parse_press(data: str) -> Press | str | None:
    """Understand a button's data: a Press, the text of a command it stands for, or None for what is not ours."""
    version, _, rest = data.partition(":")
    kind, _, argument = rest.partition(":")
    if version != PRESS_PREFIX or not argument:
        return None
    match kind:
        case "yes" | "no":
            return Press(nonce=argument, confirmed=kind == "yes")
        case "say":
            return argument
        case _:
            return None


def confirm_buttons(nonce: str, what: str) -> tuple[tuple[Button, ...], ...]:
    """Give the two buttons under a preview; one use of either spends the nonce."""
    return (
        (
            Button(label=what, data=f"{PRESS_PREFIX}:yes:{nonce}"),
            Button(label="Cancel", data=f"{PRESS_PREFIX}:no:{nonce}"),
        ),
    )


def say_button(label: str, text: str) -> Button:
    """Give a button that stands for a command. The text fits 60 bytes or so."""
    return Button(label=label, data=f"{PRESS_PREFIX}:say:{text}")


# --- help -------------------------------------------------------------------------------------------------------
def help_screen(asked: AskHelp) -> Screen:
    if asked.welcome:
        return Screen(
            title="Standfast watches over your positions.",
            lines=("It tells each step of a trade here, the urgent first.", "", *_overview()),
        )
    if asked.topic:
        name = ALIASES.get(asked.topic, asked.topic)
        if name not in HELP:
            return Screen(title="Not understood", lines=_unknown(asked.topic).lines)
        return Screen(title=f"Help: /{name}", lines=HELP[name])
    return Screen(title="Commands", lines=_overview())


def _overview() -> tuple[str, ...]:
    return (
        *(lines[0] for name, lines in HELP.items() if name != "start"),
        "",
        "/help trade shows how to open a trade.",
    )
