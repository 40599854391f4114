"""The verbs that speak to a running daemon (status, trade, close, adopt, safety …). They print; it decides.

Exit codes: 0 done, 1 verify has findings, 2 refused (the person's input), 69 no daemon, or not ready, 70 it failed,
75 no answer in time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

from adapters.cli.adopting import Adopt
from adapters.cli.arguments import Change, Close, Emergency, Locks, Safety, Status, Trade, Verify
from adapters.cli.protecting import Protection
from adapters.host.control_client import AnswerLate, DaemonFailed, NoDaemon, call
from adapters.host.state_folder import StateFolder, state_folder

Answer: TypeAlias = dict[str, Any]

DONE = 0
FOUND = 1
REFUSED = 2
UNAVAILABLE = 69
FAILED = 70
LATE = 75

ANSWER_SECONDS = 45.0
STATUS_SECONDS = 15.0
EMERGENCY_SECONDS = 60.0  # waited for everything to be gone
EMERGENCY_LOOK_SECONDS = 0.5


def ask_daemon(
    command: Status | Trade | Close | Change | Adopt | Safety | Protection | Locks | Emergency | Verify,
) -> int:
    """Carry out one of these verbs; give the exit code."""
    carry_out: Callable[[Any], int] = _VERBS[type(command)]
    return carry_out(command)


def show_status(command: Status) -> int:
    """Print how the daemon stands; 0 once it takes commands."""
    answer = _ask(state_folder(command.state), "status", {}, STATUS_SECONDS, as_json=command.as_json)
    if isinstance(answer, int):
        return answer
    if command.as_json:
        print(json.dumps({name: value for name, value in answer.items() if name != "text"}))
    else:
        mode = "PAPER" if answer["mode"] == "paper" else "LIVE"
        mode += ", DRY RUN," if answer["dry_run"] else ""
        ready = "" if answer["ready"] else ", still taking up its trades"
        print(f"Standfast {answer['version']} {mode} on {answer['exchange']}, process {answer['pid']}{ready}")
        print("\n".join(answer["text"]))
    return DONE if answer["ready"] else UNAVAILABLE


def open_trade(command: Trade) -> int:
    """Show what would be ordered, ask, open."""
    folder = state_folder(command.state)
    if not command.yes:
        preview = _ask(folder, "preview", {"words": command.words}, ANSWER_SECONDS, as_json=command.as_json)
        if isinstance(preview, int):
            return preview
        print("\n".join(preview["text"]), file=sys.stderr if command.as_json else sys.stdout)
        if not _agreed("Open it?"):
            return _fail({"refused": ["Nothing was sent: it was not agreed to."]}, REFUSED, as_json=command.as_json)
    body = {"words": command.words, "command_id": uuid4().hex}
    answer = _ask(folder, "open", body, ANSWER_SECONDS, as_json=command.as_json)
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer["ok"]) if command.as_json else "\n".join(answer["text"]))
    return DONE


def close_trades(command: Close) -> int:
    """Close one trade, or all, after asking."""
    folder = state_folder(command.state)
    if not command.yes:
        answer = _ask(folder, "status", {}, STATUS_SECONDS, as_json=command.as_json)
        if isinstance(answer, int):
            return answer
        print("\n".join(answer["text"]), file=sys.stderr if command.as_json else sys.stdout)
        if not _agreed(f"Close {command.which} at market now?"):
            return _fail({"refused": ["Nothing was closed: it was not agreed to."]}, REFUSED, as_json=command.as_json)
    answer = _ask(folder, "close", {"which": command.which}, ANSWER_SECONDS, as_json=command.as_json)
    if isinstance(answer, int):
        return answer
    labels = answer["ok"]["closing"]
    print(json.dumps(answer["ok"]) if command.as_json else "closing " + ", ".join(labels))
    return DONE


def change_trade(command: Change) -> int:
    """Move a stop or a target of one trade, after asking."""
    folder = state_folder(command.state)
    body: Answer = {"which": command.which, "change": command.verb, "words": list(command.words)}
    if not command.yes:
        preview = _ask(folder, "change", {**body, "preview": True}, ANSWER_SECONDS, as_json=command.as_json)
        if isinstance(preview, int):
            return preview
        print("\n".join(preview["text"]), file=sys.stderr if command.as_json else sys.stdout)
        if not _agreed("Do it?"):
            return _fail({"refused": ["Nothing was changed: it was not agreed to."]}, REFUSED, as_json=command.as_json)
        body["seen"], body["shown"] = preview["ok"]["before"], preview["ok"]["change"]
    answer = _ask(folder, "change", {**body, "command_id": uuid4().hex}, ANSWER_SECONDS, as_json=command.as_json)
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer["ok"]) if command.as_json else "\n".join(answer["text"]))
    return DONE


def adopt_position(command: Adopt) -> int:
    """Show what would be taken over and how it would be protected, ask, do it."""
    folder = state_folder(command.state)
    body: Answer = {"words": list(command.words)}
    if not command.yes:
        preview = _ask(folder, "adopt", {**body, "preview": True}, ANSWER_SECONDS, as_json=command.as_json)
        if isinstance(preview, int):
            return preview
        print("\n".join(preview["text"]), file=sys.stderr if command.as_json else sys.stdout)
        if not _agreed("Adopt it?"):
            text = "Nothing was touched: it was not agreed to. Answer y, or write it again with --yes."
            return _fail({"refused": [text]}, REFUSED, as_json=command.as_json)
        body["seen"] = preview["ok"]["sized"]["quantity"]
    answer = _ask(folder, "adopt", {**body, "command_id": uuid4().hex}, ANSWER_SECONDS, as_json=command.as_json)
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer["ok"]) if command.as_json else "\n".join(answer["text"]))
    return DONE


def leave_account(command: Emergency) -> int:
    """Leave every trade of an account, wait until all are gone, and say what remains that is not ours."""
    folder, body = state_folder(command.state), {"account": command.account, "everything": command.everything}
    if not command.yes:
        before = _ask(folder, "status", {}, STATUS_SECONDS, as_json=command.as_json)
        if isinstance(before, int):
            return before
        shown = list(before["text"])
        if command.everything:
            foreign = _ask(folder, "foreign", body, ANSWER_SECONDS, as_json=command.as_json)
            if isinstance(foreign, int):
                return foreign
            shown += ["", *foreign["text"]]
        print("\n".join(shown), file=sys.stderr if command.as_json else sys.stdout)
        what = "EVERYTHING, others' positions and orders too," if command.everything else "everything of ours"
        if not _agreed(f"Close {what} on {command.account} at market now, and open nothing new?"):
            return _fail({"refused": ["Nothing was closed: it was not agreed to."]}, REFUSED, as_json=command.as_json)
    answer = _ask(folder, "emergency", {**body, "command_id": uuid4().hex}, ANSWER_SECONDS, as_json=command.as_json)
    deadline = time.monotonic() + EMERGENCY_SECONDS
    while not isinstance(answer, int) and _is_going(answer) and time.monotonic() < deadline:
        time.sleep(EMERGENCY_LOOK_SECONDS)
        answer = _ask(folder, "remaining", body, ANSWER_SECONDS, as_json=command.as_json)
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer["ok"]) if command.as_json else "\n".join(answer["text"]))
    if not _is_going(answer):
        return DONE
    print("It goes on by itself, over a restart too; look at main.py status.", file=sys.stderr)
    return LATE


def _is_going(answer: Answer) -> bool:
    return bool(answer["ok"]["leaving"] or answer["ok"]["clearing"])


def verify(command: Verify) -> int:
    """Compare the trades with the exchange; 1 with findings."""
    answer = _ask(
        state_folder(command.state), "verify", {"about": command.about}, ANSWER_SECONDS, as_json=command.as_json
    )
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer["ok"]) if command.as_json else "\n".join(answer["text"]))
    return FOUND if answer["ok"]["findings"] else DONE


def show_or_set_safety(command: Safety) -> int:
    """Show the safety state; with a state, set it first."""
    body = {"state": command.wanted, "why": command.why, "command_id": uuid4().hex}
    return _show(command.state, "safety", body if command.wanted else {}, as_json=command.as_json)


def show_or_switch_protection(command: Protection) -> int:
    """Show whether others' orders are left alone; with on or off, switch it first."""
    body = {"on": command.wanted == "on", "why": command.why, "command_id": uuid4().hex}
    return _show(command.state, "protection", body if command.wanted else {}, as_json=command.as_json)


def show_or_release_locks(command: Locks) -> int:
    """List the locks that hold; with an id, release it first."""
    body = {"release": command.release} if command.release else {}
    return _show(command.state, "locks", body, as_json=command.as_json)


_VERBS: dict[type[Any], Callable[[Any], int]] = {
    Status: show_status,
    Trade: open_trade,
    Close: close_trades,
    Change: change_trade,
    Adopt: adopt_position,
    Safety: show_or_set_safety,
    Protection: show_or_switch_protection,
    Locks: show_or_release_locks,
    Verify: verify,
    Emergency: leave_account,
}


def _show(state: Path | None, verb: str, body: Answer, *, as_json: bool) -> int:
    answer = _ask(state_folder(state), verb, body, ANSWER_SECONDS, as_json=as_json)
    if isinstance(answer, int):
        return answer
    print(json.dumps(answer["ok"]) if as_json else "\n".join(answer["text"]))
    return DONE


def _ask(
    folder: StateFolder, verb: str, body: dict[str, Any], seconds: float, *, as_json: bool
) -> dict[str, Any] | int:
    """Ask the daemon; give its answer, or the exit code once the reason was printed."""
    try:
        answer = call(folder, verb, body, timeout_seconds=seconds)
    except NoDaemon as nobody:
        return _fail({"failed": str(nobody)}, UNAVAILABLE, as_json=as_json)
    except AnswerLate as late:
        return _fail({"failed": str(late)}, LATE, as_json=as_json)
    except DaemonFailed as failed:
        return _fail({"failed": str(failed)}, FAILED, as_json=as_json)
    if "refused" in answer:
        return _fail(answer, REFUSED, as_json=as_json)
    if "failed" in answer:
        return _fail(answer, FAILED, as_json=as_json)
    return answer


def _fail(answer: Answer, code: int, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(answer))
    reasons = answer.get("refused") or [answer["failed"]]
    for reason in reasons:
        print(reason, file=sys.stderr)
    return code


def _agreed(question: str) -> bool:
    """Ask on the terminal; anything but yes is no, and so is nobody there."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
