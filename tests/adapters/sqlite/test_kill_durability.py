"""kill -9 at any moment: every acknowledged commit is there, nothing is half there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

from tests.adapters.sqlite.conftest import StateFolder, absent

ROUNDS = 12
WRITER = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from actors.messages.storing import Append
from adapters.sqlite.opening import open_store
from adapters.sqlite.runs import Run
from tests.adapters.sqlite.conftest import absent, effect

now = lambda: datetime.now(UTC)
store = open_store(Path(sys.argv[1]), clock=now, random_bytes=os.urandom,
                   run=Run(pid=os.getpid(), boot_id="boot", started_at=now()))
number = store.load("trade/A").sequence
while True:
    for _ in range(1 + number % 3):
        number = store.append(Append(stream="trade/A", expected_sequence=number, facts=(absent(number),),
                                     effects=(effect(f"effect/{number}"),)))
    store.commit()
    os.write(1, b"%d\\n" % number)
"""


def test_every_acknowledged_commit_survives_kill_9(folder: StateFolder) -> None:
    rng = random.Random(20260301)
    acknowledged = 0
    for turn in range(ROUNDS):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder.store)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        with writer.stdout as lines:
            assert lines.readline()
            time.sleep(rng.uniform(0, 0.04))  # the moment of death is the point: anywhere in a commit
            writer.send_signal(signal.SIGKILL)
            said = lines.read().split(b"\n")[:-1]
        writer.wait()
        acknowledged = max([acknowledged, *map(int, said)])
        store = folder.open()
        found = store.load("trade/A")
        store.close()
        assert found.sequence >= acknowledged, f"round {turn}: an acknowledged commit is lost"
        assert found.facts == tuple(absent(number) for number in range(found.sequence))
        assert [each.effect.key for each in found.unsettled] == [f"effect/{n}" for n in range(found.sequence)]
        acknowledged = found.sequence
    assert acknowledged > 3 * ROUNDS
