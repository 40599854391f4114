"""Plan options: how exit rules are written in the one line of a trade.

    ... approach net-target net 10 floor 7 loss 10          target, floor and stop in USDT net of both fees
    ... breakeven 2 follow 3                                breakeven after target 2; from 3 on, the one before
    ... trail 0.5% trail-from 1%                            stop trails the best price, from 1% beyond the entry on
    ... leave-after 4h expire 30m,touch                     out after four hours; entries end after half an hour

Distances are a price or a percentage, durations digits with s, m, h or d. Enters: a line taken apart. Stays out: what
fits the targets and the market (rules.exit_limits, rules.net_plan).
"""

from __future__ import annotations

import re
from decimal import Decimal

from actors.model.exit_rules import ExitRules, NetTarget, Offset, TrailingStop
from actors.model.trade_plan import Approach
from actors.rules.plan_words import Reading

NET_FIELDS = ("net", "floor", "loss")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15}")
_DURATION = re.compile(r"(?:[0-9]{1,6}[smhd])+")
_PART = re.compile(r"([0-9]+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SHORTEST, _LONGEST = 10, 365 * 86400
_WHOLE = 100  # percent
_NEVER = {"never", "none", "no", "off"}


def read_options(reading: Reading) -> ExitRules:
    """Read the exit rules of a line; what is wrong with them is refused in the reading."""
    net = _net(reading)
    duration, touch = _expiry(reading)
    return ExitRules(
        breakeven_after=_rung(reading, "breakeven", usual=1),
        follow_after=_rung(reading, "follow", usual=None),
        trailing=_trailing(reading),
        leave_after_seconds=_duration(reading, "leave-after", reading.values.get("leave-after")),
        entries_expire_after_seconds=duration,
        entries_expire_on_touch=touch,
        net=net,
    )


def is_net_target(reading: Reading) -> bool:
    """Tell whether the line asks for a net target: its target and stop follow from amounts."""
    return reading.values.get("approach", "").lower() == Approach.NET_TARGET.value


# --- the net target ----------------------------------------------------------------------------------------------
def _net(reading: Reading) -> NetTarget | None:
    if not is_net_target(reading):
        for name in NET_FIELDS:
            if name in reading.values:
                text = f"{name} belongs to approach net-target: write approach net-target, or leave {name} out"
                reading.refuse(name, reading.values[name], "approach net-target", text)
        return None
    for name in ("targets", "stop"):
        if name in reading.values:
            instead = "net 10" if name == "targets" else "loss 10"
            text = f"{name} of a net-target trade follows from its amounts: write {instead} and leave {name} out"
            reading.refuse(name, reading.values[name], "left out", text)
    usual = NetTarget()
    floor = reading.values.get("floor")
    return NetTarget(
        target_usdt=_amount(reading, "net", usual.target_usdt),
        floor_usdt=None if floor is not None and floor.lower() in _NEVER else _floor(reading, usual),
        stop_usdt=_amount(reading, "loss", usual.stop_usdt),
    )


def _floor(reading: Reading, usual: NetTarget) -> Decimal:
    text = reading.values.get("floor", "")
    if text.startswith("-") and _NUMBER.fullmatch(text[1:].lower().removesuffix("usdt")):
        return -Decimal(text[1:].lower().removesuffix("usdt"))
    return _amount(reading, "floor", usual.floor_usdt or usual.target_usdt)


def _amount(reading: Reading, name: str, usual: Decimal) -> Decimal:
    """Read an amount of USDT, with or without its unit."""
    given = reading.values.get(name)
    if given is None:
        return usual
    bare = given.lower().removesuffix("usdt")
    if _NUMBER.fullmatch(bare):
        return Decimal(bare)
    example = "floor 7, or floor none" if name == "floor" else f"{name} {usual}"
    reading.refuse(name, given, "an amount of USDT", f"{name} {given or '(nothing)'} is no amount: write {example}")
    return usual


# --- steps and trailing ------------------------------------------------------------------------------------------
def _rung(reading: Reading, name: str, *, usual: int | None) -> int | None:
    given = reading.values.get(name)
    if given is None:
        return usual
    if given.lower() in _NEVER:
        return None
    if given.isascii() and given.isdigit() and int(given) > 0:
        return int(given)
    text = f"{name} {given or '(nothing)'} is no target: write the number of one, as in {name} 2, or {name} never"
    reading.refuse(name, given, "the number of a target", text)
    return usual


def _trailing(reading: Reading) -> TrailingStop | None:
    given, begin = reading.values.get("trail"), reading.values.get("trail-from")
    if given is None:
        if begin is not None:
            text = "trail-from says where trailing begins: write trail with a distance beside it, as in trail 0.5%"
            reading.refuse("trail-from", begin, "with trail", text)
        return None
    distance = _offset(reading, "trail", given, "0.5%")
    activation = Offset(value=Decimal(0), of_price=False)
    if begin is not None:
        activation = _offset(reading, "trail-from", begin, "1%") or activation
    if distance is None:
        return None
    if not distance.value:
        reading.refuse("trail", given, "over 0", f"trail {given} must be over 0: write a distance like 0.5%")
    return TrailingStop(activation=activation, distance=distance)


def _offset(reading: Reading, name: str, given: str, example: str) -> Offset | None:
    bare = given.removesuffix("%")
    if not _NUMBER.fullmatch(bare):
        text = f"{name} {given or '(nothing)'} is no distance: write a percentage like {example}, or a price distance"
        reading.refuse(name, given, "a distance", text)
        return None
    number = Decimal(bare)
    return Offset(value=number / _WHOLE, of_price=True) if given.endswith("%") else Offset(value=number, of_price=False)


# --- time --------------------------------------------------------------------------------------------------------
def _expiry(reading: Reading) -> tuple[int | None, bool]:
    given = reading.values.get("expire")
    if given is None:
        return None, False
    parts = [part for part in given.split(",") if part]
    times = [part for part in parts if part.lower() != "touch"]
    if not parts or len(times) > 1:
        text = f"expire {given or '(nothing)'} is not one duration: write expire 30m, expire touch or expire 30m,touch"
        reading.refuse("expire", given, "a duration, touch, or both", text)
        return None, False
    return (_duration(reading, "expire", times[0]) if times else None), len(times) < len(parts)


def _duration(reading: Reading, name: str, given: str | None) -> int | None:
    if given is None:
        return None
    text = given.lower()
    if not _DURATION.fullmatch(text):
        advice = f"{name} {given or '(nothing)'} is no duration: write digits with s, m, h or d, as in {name} 30m"
        reading.refuse(name, given, "a duration", advice)
        return None
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(text))
    if not _SHORTEST <= seconds <= _LONGEST:
        advice = f"{name} {given} is outside 10s to 365d: write a duration like 30m"
        reading.refuse(name, given, "10s to 365d", advice)
        return None
    return seconds
