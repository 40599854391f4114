"""Standfast's command line. `python main.py --help` teaches the verbs; the rest is in adapters/assembly/program.py."""

import os
import sys

from adapters.assembly.program import main

READER_GONE = 141  # as a shell tells of a program that SIGPIPE ended

if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `status | head`: whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = READER_GONE
    sys.exit(code)
