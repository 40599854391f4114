"""Terminal words: what a sentence tells a person to write, as it is written in a terminal.

The sentences name commands as the chat has them (`/close 1`). Enters: a line. Stays out: everything else in it.
"""

from __future__ import annotations

import re

_REWRITTEN = (
    (r"/help trade\b", "main.py trade --help"),
    (r"/help\b", "main.py --help"),
    (r"/health\b", "main.py status"),
    (r"/status(?: \d+)?\b", "main.py status"),
    (r"/safety (active|reduce-only|halted)(?: REASON)?", r"main.py safety \1 --why REASON"),
    (r"/protection (on|off)(?: REASON)?", r"main.py protection \1 --why REASON"),
    (r"/(close|adopt|answer|locks|stop|breakeven|target|trade)\b", r"main.py \1"),
)
# A command stands at the beginning, behind a space or a bracket; a path or a fraction has something before its slash.
_COMMANDS = tuple((re.compile(rf"(?<![^\s(]){written}"), typed) for written, typed in _REWRITTEN)


def in_a_terminal(line: str) -> str:
    """Give the line with the commands in it as the command line takes them.

    >>> in_a_terminal("/status 1 follows it, /close 1 leaves it.")
    'main.py status follows it, main.py close 1 leaves it.'
    >>> in_a_terminal("to go on, write /safety active REASON")
    'to go on, write main.py safety active --why REASON'

    """
    for written, typed in _COMMANDS:
        line = written.sub(typed, line)
    return line
