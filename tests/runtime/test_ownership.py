"""Ownership: tree, addresses, mailboxes and registry agree, and each way of disagreeing is found."""

import pykka

from runtime import Actor, ChildSpec, Intensity, OnExhausted, Parking, handles
from runtime.testing import Do, Doer, Stage
from runtime.tree import State


class Guard(Actor):
    @handles(str)
    def _on_text(self, text: str) -> str:
        return text


def crash() -> Do:
    def fail(_: object) -> None:
        raise ValueError("on purpose")

    return Do(fail)


def test_a_tree_is_in_order_through_starts_restarts_parking_and_stops(simulation: Stage) -> None:
    system, crank = simulation.system, simulation.crank
    system.start(
        ChildSpec("steady", Doer),
        ChildSpec(
            "frail",
            Doer,
            intensity=Intensity(max_restarts=1),
            on_exhausted=OnExhausted.PARK,
            parking=Parking(stand_in=Guard, retry_seconds=5.0),
        ),
    )
    states = set()
    found: list[str] = []

    def look(_step: object) -> None:
        states.add(simulation.state_of("frail").state)
        found.extend(system.disowned())

    crank.hooks.append(look)
    for _ in range(2):
        system.tell("frail", crash())
        crank.run_for(2.0)
    assert simulation.state_of("frail").stand_in == "running"
    crank.run_for(10.0)
    assert simulation.state_of("frail").stand_in == ""
    crank.hooks.remove(look)
    system.stop_actor("frail")
    assert found == []
    assert states >= {"running", "clearing", "starting", "parked"}
    assert system.disowned() == ()


def test_an_address_that_stands_nowhere_in_the_tree_is_found(simulation: Stage) -> None:
    simulation.start("steady", Doer)
    nodes = simulation.system._supervisor.nodes
    node = nodes.pop("steady")
    try:
        assert simulation.system.disowned() == ("steady: takes messages and stands nowhere in the tree",)
    finally:
        nodes["steady"] = node


def test_a_node_without_an_address_or_a_registration_is_found(simulation: Stage) -> None:
    simulation.start("steady", Doer)
    cells = simulation.system._environment.cells
    cell = cells.pop("steady")
    assert simulation.system.disowned() == ("steady: stands in the tree and has no address",)
    cells["steady"] = cell
    pykka.ActorRegistry.unregister(cell.actor_ref)
    try:
        assert simulation.system.disowned() == ("steady: stands in the tree and not in the registry",)
    finally:
        pykka.ActorRegistry.register(cell.actor_ref)


def test_a_child_its_parent_does_not_know_is_found(simulation: Stage) -> None:
    simulation.start("steady", Doer)
    root = simulation.system._supervisor.root
    assert root.children is not None
    node = root.children.pop("steady")
    try:
        assert simulation.system.disowned() == ("steady: its parent root does not know it",)
    finally:
        root.children["steady"] = node


def test_a_behaviour_the_tree_has_given_up_is_a_zombie_and_is_found(simulation: Stage) -> None:
    simulation.start("steady", Doer)
    node = simulation.system._supervisor.nodes["steady"]
    node.behaviour_up = False
    try:
        assert simulation.system.disowned() == ("steady: its behaviour runs though the tree has it down (running)",)
    finally:
        node.behaviour_up = True


def test_a_parked_actor_whose_stand_in_does_not_run_is_found(simulation: Stage) -> None:
    simulation.system.start(ChildSpec("frail", Doer, on_exhausted=OnExhausted.PARK, parking=Parking(stand_in=Guard)))
    node = simulation.system._supervisor.nodes["frail"]
    node.state = State.PARKED
    try:
        assert simulation.system.disowned() == ("frail: is parked and its stand-in does not run",)
    finally:
        node.state = State.RUNNING


def test_a_message_nobody_will_run_is_found(simulation: Stage) -> None:
    simulation.start("steady", Doer)
    cell = simulation.system._environment.cells["steady"]
    token = list(cell.actor_inbox.idle)
    simulation.system.tell("steady", "hello")
    cell.actor_inbox.idle[:] = token  # as if a worker had given the cell back without looking
    assert simulation.system.disowned() == ("steady: 1 messages wait and nobody will run it",)
    cell.actor_inbox.idle.clear()
    simulation.crank.run_until_idle()
    assert simulation.system.disowned() == ()


def test_what_was_handled_last_says_when_it_was_sent_and_when_it_began(simulation: Stage) -> None:
    simulation.start("steady", Doer)
    assert simulation.system.last_handled("nobody") is None
    simulation.crank.run_for(3.0)
    simulation.system.tell("steady", "hello")
    simulation.crank.run_until_idle()
    last = simulation.system.last_handled("steady")
    assert last is not None
    assert (last.sent_at, last.began_at, last.put_aside) == (3.0, 3.0, False)
    assert (last.message_type, last.asked_for) == (str, False)


class Reminded(Actor):
    """Sets an alarm when told when, and puts aside what it is told as a number."""

    @handles(str)
    def _on_words(self, _: str) -> None:
        self.context.start_timer("alarm", 1.0, b"ring")

    @handles(int)
    def _on_number(self, _: int) -> None:
        self.context.stash()

    @handles(bytes)
    def _on_alarm(self, _: bytes) -> None:
        """Nothing more."""


def test_what_was_handled_last_is_known_by_its_kind_though_a_quiet_actor_lets_go_of_it(simulation: Stage) -> None:
    simulation.start("reminded", Reminded)
    simulation.system.tell("reminded", 1)
    simulation.crank.run_until_idle()
    last = simulation.system.last_handled("reminded")
    assert last is not None
    assert (last.message_type, last.put_aside, last.asked_for) == (int, True, False)
    simulation.system.tell("reminded", "soon")
    simulation.crank.run_for(2.0)
    last = simulation.system.last_handled("reminded")
    assert last is not None
    assert (last.message_type, last.put_aside, last.asked_for) == (bytes, False, True)
