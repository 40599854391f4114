"""Plans as a person writes them: good ones around the present price, bad ones, and plain nonsense.

Enters: an action, an instrument, a price. Stays out: when they are written, what becomes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from adapters.assembly.simulation.scenario import MAIN, Action
from adapters.simulated.instruments import Instrument

NONSENSE = (
    "hello?",
    "close everything NOW",
    "/",
    "/trade",
    "/trade BTCUSDT",
    "/trade buy 3 btc please",
    "/close 1 2 3",
    "/close -1",
    "/close 99999999999999999999",
    "/status banana",
    "/clsoe all",
    "BTCUSDT long entries market targets 99999 stop 1 margin 100% leverage 100",  # no slash: never an order
    "/trade BTCUSDT long entries NaN targets Infinity stop -1 margin 1e9% leverage 0",
    "/trade " + "9" * 3000,
    "/trade BTCUSDT long short entries targets stop margin leverage",
    '{"symbol": "ETHUSDT", "side": "long", "confidence": 0.97, "entries": []}',  # what a picture was read as
    "\u202eTDSUCTB gnol\u202c \x00 /trade",
    "<b>/trade</b> &lt;script&gt; `DROP TABLE trades`",
    "v1:yes:00000000000000000000",
    "\U0001f680" * 200,
)
_BAD = (
    "stop_beyond_entry",
    "target_behind",
    "unknown_symbol",
    "no_percent",
    "thousands",
    "leverage_too_high",
    "too_small",
    "all_the_margin",
    "unknown_account",
    "no_stop",
    "off_tick",
    "beyond_liquidation",
)


def plan_words(
    seed: int,
    action: Action,
    instrument: Instrument,
    price: Decimal,
    *,
    avoid: Sequence[str] = (),
    leverage: Decimal | None = None,
) -> str:
    """Write the plan that an opening asks for, as the person would: prices around the present one.

    `avoid`: sides that are of no use now; `leverage`: what is held there already.
    """
    dice = _dice(seed, action)
    sides = [side for side in ("long", "short") if side not in avoid] or ["long"]
    if action.style == "crowd":
        return _crowd_words(action, instrument, price, sides[0], at=dice.uniform(2.0, 3.5), leverage=leverage)
    side = dice.choice(sides)

    def at(percent: float) -> str:
        return _price_at(instrument, price, side, percent)

    if dice.random() < 0.4:  # noqa: PLR2004 - two of five at the market
        entries, nearest = "market", 0.0
    else:
        steps = sorted(dice.uniform(0.05, 1.2) for _ in range(dice.choice((1, 2, 2, 3))))
        entries = ",".join(dict.fromkeys(at(-step) for step in steps))
        nearest = steps[-1]
    rungs = sorted(dice.uniform(0.2, 2.5) for _ in range(dice.choice((1, 2, 4, 4, 4))))
    targets = ",".join(dict.fromkeys(at(rung) for rung in rungs))
    stop = at(-(nearest + dice.uniform(0.4, 2.0)))
    margin = dice.choice(("0.5%", "1%", "2%", "5%"))
    usual = Decimal(dice.choice((5, 10, 10)))
    unlike = dice.random() < 0.03  # noqa: PLR2004 - now and then they forget what they hold
    times = usual if leverage is None or unlike else leverage
    return _words(action, instrument, side, entries=entries, targets=targets, stop=stop, margin=margin, leverage=times)


def _crowd_words(
    action: Action, instrument: Instrument, price: Decimal, side: str, *, at: float, leverage: Decimal | None
) -> str:
    """One of many small ones whose entries lie far away, so that they stay."""
    return _words(
        action,
        instrument,
        side,
        entries=_price_at(instrument, price, side, -at),
        targets=_price_at(instrument, price, side, 3.0),
        stop=_price_at(instrument, price, side, -at - 1.0),
        margin="0.5%",
        leverage=leverage or Decimal(10),
    )


def bad_plan_words(seed: int, action: Action, instrument: Instrument, price: Decimal, *, crossed: bool) -> str:
    """Write a plan with one thing wrong with it. `crossed`: in cross margin hardly a stop lies beyond liquidation."""
    dice = _dice(seed, action)
    side = dice.choice(("long", "short"))

    def at(percent: float) -> str:
        return _price_at(instrument, price, side, percent)

    good = {
        "entries": at(-0.5),
        "targets": f"{at(1.0)},{at(2.0)}",
        "stop": at(-2.0),
        "margin": "1%",
        "leverage": "10",
    }
    kind = dice.choice(_BAD[:-1] if crossed else _BAD)
    wrong: dict[str, dict[str, str]] = {
        "stop_beyond_entry": {"stop": at(0.3)},
        "target_behind": {"targets": f"{at(1.0)},{at(-3.0)}"},
        "no_percent": {"margin": "2"},
        "thousands": {"entries": "65,000.5"},
        "leverage_too_high": {"leverage": "500"},
        "too_small": {"margin": "0.001%"},
        "all_the_margin": {"margin": "250%"},
        "unknown_account": {"account": "savings"},
        "no_stop": {"stop": ""},
        "off_tick": {"stop": f"{at(-2.0)}0000001" if "." in at(-2.0) else f"{at(-2.0)}.0000001"},
        "beyond_liquidation": {"stop": at(-30.0), "leverage": "50"},
    }
    fields = {**good, "account": action.account, **wrong.get(kind, {})}
    symbol = "NOPEUSDT" if kind == "unknown_symbol" else instrument.symbol
    return f"{symbol} {side} " + " ".join(f"{name} {value}" for name, value in fields.items() if value)


def _words(action: Action, instrument: Instrument, side: str, *, leverage: Decimal, **fields: str) -> str:
    words = f"{instrument.symbol} {side} " + " ".join(f"{name} {value}" for name, value in fields.items())
    account = "" if action.account == MAIN else f" account {action.account}"
    return f"{words} leverage {leverage.normalize():f}{account}"


def _price_at(instrument: Instrument, price: Decimal, side: str, percent: float) -> str:
    sign = 1 if side == "long" else -1
    return format(instrument.to_tick(price * (1 + sign * Decimal(repr(round(percent / 100, 6))))), "f")


def _dice(seed: int, action: Action) -> Random:
    return Random(f"{seed}/action/{action.number}")  # noqa: S311 - repeatable chance is the point
