"""Any order of writes, commits, rollbacks, crashes and restarts: the store holds what a plain model holds."""

from __future__ import annotations

import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.errors import GuardUsed, StaleSequence
from actors.messages.storing import Append, Guard
from adapters.sqlite.outbox import PromisedTwice
from tests.adapters.sqlite.conftest import DESTINATION, STREAMS, StateFolder, absent, effect

streams = st.sampled_from(STREAMS)
keys = st.integers(0, 12).map(lambda number: f"key/{number}")
names = st.sampled_from(("a", "b"))


@dataclass
class Model:
    """What a store ought to hold."""

    facts: dict[str, list[int]] = field(default_factory=lambda: {stream: [] for stream in STREAMS})
    promised: list[tuple[str, str]] = field(default_factory=list)  # key, stream; oldest first
    settled: set[str] = field(default_factory=set)
    attempts: dict[str, int] = field(default_factory=dict)
    guards: set[str] = field(default_factory=set)
    numbers: int = 0
    documents: dict[str, int] = field(default_factory=dict)

    def knows(self, key: str) -> bool:
        return any(key == known for known, _ in self.promised)


class AnyHistory(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.folder = StateFolder(self.root / "0")
        self.folder.path.mkdir()
        self.crashes = 0
        self.store = self.folder.open()
        self.now, self.committed = Model(), Model()

    def teardown(self) -> None:
        for store in self.folder.opened:
            store.close()
        shutil.rmtree(self.root)

    # --- writes -----------------------------------------------------------------------------------------------------
    @rule(
        stream=streams, count=st.integers(0, 3), key=st.none() | keys, settles=st.lists(keys), guard=st.none() | names
    )
    def append(self, stream: str, count: int, key: str | None, settles: list[str], guard: str | None) -> None:
        length = len(self.now.facts[stream])
        numbers = [length + each for each in range(count)]
        append = Append(
            stream=stream,
            expected_sequence=length,
            facts=tuple(absent(number) for number in numbers),
            effects=() if key is None else (effect(key),),
            settles=tuple(settles),
            guards=() if guard is None else (Guard(key=guard),),
        )
        if guard in self.now.guards:
            with pytest.raises(GuardUsed):
                self.store.append(append)
        elif key is not None and self.now.knows(key):
            with pytest.raises(PromisedTwice):
                self.store.append(append)
        else:
            assert self.store.append(append) == length + count
            self.now.facts[stream] += numbers
            if key is not None:
                self.now.promised.append((key, stream))
            if guard is not None:
                self.now.guards.add(guard)
            self.now.settled.update(each for each in settles if self.now.knows(each))

    @rule(stream=streams, off=st.sampled_from((-1, 1, 2)))
    def append_with_a_wrong_belief(self, stream: str, off: int) -> None:
        believed = len(self.now.facts[stream]) + off
        with pytest.raises(StaleSequence):
            self.store.append(Append(stream=stream, expected_sequence=believed, facts=(absent(1),)))

    @rule(key=keys)
    def settle(self, key: str) -> None:
        self.store.settle(key, "")
        if self.now.knows(key):
            self.now.settled.add(key)

    @rule(key=keys)
    def attempt(self, key: str) -> None:
        if self.now.knows(key):
            self.now.attempts[key] = self.now.attempts.get(key, 0) + 1
            assert self.store.mark_attempt(key) == self.now.attempts[key]

    @rule(name=names)
    def use_guard(self, name: str) -> None:
        assert self.store.use_guards([Guard(key=name)]) == (name not in self.now.guards)
        self.now.guards.add(name)

    @rule()
    def count(self) -> None:
        self.now.numbers += 1
        assert self.store.next_number("trade") == self.now.numbers

    @rule(name=names, number=st.integers(0, 9))
    def put(self, name: str, number: int) -> None:
        self.store.put_document(name, absent(number))
        self.now.documents[name] = number

    @rule(name=names)
    def take(self, name: str) -> None:
        kept = self.now.documents.pop(name, None)
        assert self.store.take_document(name) == (None if kept is None else absent(kept))

    # --- ends of transactions -----------------------------------------------------------------------------------------
    @rule()
    def commit(self) -> None:
        self.store.commit()
        self.committed = copy.deepcopy(self.now)

    @rule()
    def roll_back(self) -> None:
        self.store.rollback()
        self.now = copy.deepcopy(self.committed)

    @rule()
    def restart(self) -> None:
        epoch = self.store.epoch
        self.store.close()
        self.store = self.folder.open()
        assert self.store.epoch == epoch + 1
        self.now = copy.deepcopy(self.committed)

    @rule()
    def crash(self) -> None:
        """Go on with what a kill leaves: the files as they are, log and mark included."""
        self.crashes += 1
        left = StateFolder(self.root / str(self.crashes))
        self.folder.copy_to(left)
        self.store.close()
        self.folder = left
        self.store = self.folder.open()
        self.now = copy.deepcopy(self.committed)

    # --- what must hold ---------------------------------------------------------------------------------------------
    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        open_keys = [(key, stream) for key, stream in self.now.promised if key not in self.now.settled]
        for stream in STREAMS:
            found = self.store.load(stream)
            assert found.facts == tuple(absent(number) for number in self.now.facts[stream])
            assert [each.effect.key for each in found.unsettled] == [key for key, home in open_keys if home == stream]
        found_open = self.store.unsettled(DESTINATION, 100)
        assert [each.effect.key for each in found_open] == [key for key, _ in open_keys]
        assert [each.attempts for each in found_open] == [self.now.attempts.get(key, 0) for key, _ in open_keys]
        for name in ("a", "b"):
            kept = self.now.documents.get(name)
            assert self.store.document(name) == (None if kept is None else absent(kept))


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
