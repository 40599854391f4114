"""The local exchange as a process of its own: arguments to a configuration, a line that says where, an orderly end."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from adapters.assembly.live_feed import GENERATED, FeedUnavailable, feed_of
from adapters.cli.arguments import Exchange
from adapters.simulated.config import ExchangeConfig, parse_account
from adapters.simulated.exchange import DEFAULT_ACCOUNTS
from adapters.simulated.server import serve

BAD_INPUT = 2
CANNOT_SERVE = 69


def configuration(command: Exchange) -> ExchangeConfig:
    """Check what was typed. ValueError says what to write instead."""
    try:
        speed = Decimal(command.speed)
    except InvalidOperation:
        raise ValueError(f"--speed {command.speed} is not a number: write for example 60, or 0 to freeze") from None
    if not speed.is_finite() or speed < 0:
        raise ValueError(f"--speed {command.speed} must be 0 or more")
    if (command.replay_file is None) != (not command.symbol):
        raise ValueError("--replay FILE and --symbol SYMBOL go together: write both")
    if command.replay_file is not None and not command.replay_file.is_file():
        raise ValueError(f"--replay {command.replay_file} is no file: write the name of a CSV file of candles")
    accounts = tuple(parse_account(stated) for stated in command.accounts)
    names = [account.name for account in accounts]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"--account {', '.join(sorted(twice))} is given twice: names must differ")
    if command.feed not in {"", GENERATED} and (command.replay_file is not None or command.control):
        raise ValueError("--feed stands alone: leave out --replay and --control, which move prices themselves")
    return ExchangeConfig(
        port=command.port,
        seed=command.seed,
        replay_file=command.replay_file,
        replay_symbol=command.symbol,
        speed=speed,
        instruments=command.instruments,
        state_file=command.state_file,
        control=command.control,
        accounts=accounts or DEFAULT_ACCOUNTS,
        queues=command.queues,
    )


def run_exchange(command: Exchange) -> int:
    """Serve until SIGINT or SIGTERM; give the exit code."""
    try:
        config = configuration(command)
        opens = feed_of(command.feed)
        if opens is None:
            return asyncio.run(_serve(config))
        feed = opens()
        feed.open()
        try:
            return asyncio.run(_serve(replace(config, live=feed.path)))
        finally:
            feed.close()
    except ValueError as error:
        print(f"exchange: {error}", file=sys.stderr)
        return BAD_INPUT
    except FeedUnavailable as error:
        print(f"exchange: {error} Try later, or leave --feed out for generated prices.", file=sys.stderr)
        return CANNOT_SERVE
    except OSError as error:
        if error.filename is not None:
            print(f"exchange: {error.filename} cannot be used ({error.strerror}): name another", file=sys.stderr)
            return BAD_INPUT
        print(f"exchange: cannot serve on port {command.port}: {error}", file=sys.stderr)
        return CANNOT_SERVE


async def _serve(config: ExchangeConfig) -> int:
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, until.set)

    def ready(port: int) -> None:
        print(
            f"local Bybit at http://{config.host}:{port} and ws://{config.host}:{port} "
            f"(accounts: {', '.join(account.name for account in config.accounts)})",
            flush=True,
        )

    await serve(config, ready=ready, until=until)
    return 0
