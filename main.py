"""Standfast's command line. `python main.py --help` teaches the verbs; the rest is in adapters/assembly/program.py."""

import sys

from adapters.assembly.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
