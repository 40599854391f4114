"""The program: a command value to the verb that carries it out, and an exit code.

Each verb imports what it needs when it is asked for: a status should not wait for a chat library, and a daemon that
comes back after a crash should not wait for the demonstration.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

from adapters.cli.adopting import Adopt
from adapters.cli.arguments import (
    Change,
    Close,
    Demo,
    Emergency,
    Exchange,
    Locks,
    Run,
    Safety,
    Simulate,
    Status,
    Trade,
    Verify,
    Version,
    parse,
)
from adapters.cli.protecting import Protection

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str]) -> int:
    """Carry out one command line (without the program's name); give the exit code."""
    number = version()
    match parse(argv, version=number):
        case Run() as command:
            from adapters.assembly.run import run_daemon  # noqa: PLC0415 - see above

            return run_daemon(command, version=number)
        case Demo() as command:
            from adapters.assembly.demo import run_demo  # noqa: PLC0415 - see above

            return run_demo(command.seed, as_json=command.as_json)
        case Exchange() as command:
            from adapters.assembly.exchange_process import run_exchange  # noqa: PLC0415 - see above

            return run_exchange(command)
        case (
            Status()
            | Trade()
            | Close()
            | Change()
            | Adopt()
            | Safety()
            | Protection()
            | Locks()
            | Emergency()
            | Verify()
        ) as command:
            from adapters.assembly.remote import ask_daemon  # noqa: PLC0415 - see above

            return ask_daemon(command)
        case Simulate() as command:
            from adapters.assembly.simulation.verb import simulate  # noqa: PLC0415 - see above

            return simulate(command)
        case Version():
            print(f"standfast {number}")
            return 0
        case int() as code:
            return code


def version() -> str:
    """Give the installed package's version, or, run from its folder, the one in pyproject.toml."""
    try:
        return importlib.metadata.version("standfast")
    except importlib.metadata.PackageNotFoundError:
        lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
        return next(line.split('"')[1] for line in lines if line.startswith("version = "))
