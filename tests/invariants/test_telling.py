"""I8 and I9 on hand-made wrong records: commands without an outcome or with two, alerts late, twice, out of order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from actors.messages import addresses
from actors.messages.alerts import RaiseAlert
from actors.messages.operator import ChatRecord, PendingCommand
from actors.model.alert import Alert, Severity
from actors.model.guarding import GuardTerms
from actors.ports import OperatorSaid, OperatorTapped
from adapters.assembly.simulation.faults import given_faults
from adapters.assembly.simulation.invariants.alerts import Alerts
from adapters.assembly.simulation.invariants.commands import Commands, Sight
from adapters.assembly.simulation.invariants.watch import Watch
from adapters.simulated.venue import Venue
from runtime.clock import VirtualClock
from tests.invariants.conftest import NOON, broken


# --- I8 --------------------------------------------------------------------------------------------------------------
def record(*pending: int, message_id: int | None = None) -> ChatRecord:
    return ChatRecord(
        used_updates=tuple(pending),
        pending=tuple(
            PendingCommand(update_id=each, user_id=1, text="/status", data="", message_id=message_id, said_at=NOON)
            for each in pending
        ),
    )


def sight(at: float, *, title: str = "No trades", message_id: int = 1, edited: bool = False) -> Sight:
    return Sight(at=at, message_id=message_id, edited=edited, title=title)


@pytest.fixture
def commands() -> Commands:
    return Commands()


def test_a_command_with_one_outcome_is_passed(commands: Commands) -> None:
    commands.kept(record(1), 10.0)
    commands.seen(sight(11.0))
    commands.kept(record(), 12.0)
    commands.check_rest(())


def test_a_command_that_ends_unseen_is_found(commands: Commands) -> None:
    commands.kept(record(1), 10.0)
    with broken("I8", "nothing of it was ever shown"):
        commands.kept(record(), 12.0)


def test_what_was_shown_before_a_command_or_for_another_is_not_its_outcome(commands: Commands) -> None:
    commands.seen(sight(1.0))
    commands.kept(record(1), 10.0)
    with broken("I8", "nothing of it"):
        commands.kept(record(), 12.0)
    other = Commands()
    other.kept(record(1, 2), 10.0)
    other.seen(sight(11.0))
    with broken("I8", "nothing of it"):
        other.kept(record(), 12.0)


def test_an_edit_is_the_outcome_of_the_button_that_was_pressed_there_and_of_none_else(commands: Commands) -> None:
    commands.kept(record(1, message_id=7), 10.0)
    commands.seen(sight(11.0, message_id=8, edited=True))
    with broken("I8", "nothing of it"):
        commands.kept(record(), 12.0)
    pressed = Commands()
    pressed.kept(record(1, message_id=7), 10.0)
    pressed.seen(sight(11.0, message_id=7, edited=True))
    pressed.kept(record(), 12.0)


def test_a_command_taken_up_again_after_its_end_is_found(commands: Commands) -> None:
    commands.kept(record(1), 10.0)
    commands.seen(sight(11.0))
    commands.kept(record(), 12.0)
    with broken("I8", "taken up again"):
        commands.kept(record(1), 13.0)


def test_a_second_outcome_that_does_not_say_so_is_found_at_rest(commands: Commands) -> None:
    commands.kept(record(1), 10.0)
    commands.seen(sight(11.0))
    commands.kept(record(), 12.0)
    commands.seen(sight(13.0, title="(again) No trades", message_id=2))
    commands.check_rest(())
    commands.seen(sight(14.0, message_id=3))
    with broken("I8", "beyond all commands"):
        commands.check_rest(())


def test_outcomes_that_cross_are_told_from_one_too_many() -> None:
    def ended() -> Commands:
        commands = Commands()
        commands.kept(record(1, 2, 3), 10.0)
        commands.seen(sight(11.0, title="of 1"))
        commands.seen(sight(12.0, title="of 2", message_id=2))
        commands.kept(record(1, 3), 12.5)
        commands.seen(sight(13.0, title="(again) of 1", message_id=3))
        commands.kept(record(3), 13.1)
        commands.seen(sight(13.3, title="(again) of 1", message_id=4))
        commands.seen(sight(13.5, title="of 3", message_id=5))
        commands.kept(record(), 13.6)
        return commands

    ended().check_rest(())
    too_many = ended()
    too_many.seen(sight(13.4, title="of 2", message_id=6))
    with broken("I8", "beyond all commands"):
        too_many.check_rest(())


def test_a_run_that_was_followed_while_frozen_shows_what_it_had_begun_to_and_nothing_else() -> None:
    def followed() -> Commands:
        commands = Commands()
        commands.kept(record(1), 10.0)
        commands.seen(sight(12.0, title="(again) No trades"))
        commands.kept(record(), 12.1)
        return commands

    woken = followed()
    woken.seen(Sight(at=20.0, message_id=2, edited=False, title="No trades", stale=True))
    woken.check_rest(())
    for stale, title in ((False, "No trades"), (True, "1 open trade")):
        other = followed()
        other.seen(Sight(at=20.0, message_id=2, edited=False, title=title, stale=stale))
        with broken("I8", "beyond all commands"):
            other.check_rest(())


def test_a_command_without_an_end_and_an_update_nobody_took_are_found_at_rest(commands: Commands) -> None:
    with broken("I8", "never acknowledged"):
        commands.check_rest(("update 4",))
    commands.kept(record(1), 10.0)
    with broken("I8", "no outcome that was seen"):
        commands.check_rest(())


def test_a_person_who_blocks_the_bot_sees_nothing_of_what_ends_meanwhile(commands: Commands) -> None:
    commands.kept(record(1), 10.0)
    commands.kept(record(), 12.0, unseeing_until=300.0)


def said(update_id: int) -> OperatorSaid:
    return OperatorSaid(update_id=update_id, chat_id=1, user_id=1, text="/status", said_at=NOON)


def test_a_command_is_acknowledged_once_it_is_recorded(commands: Commands) -> None:
    commands.kept(record(1), 10.0)
    commands.acknowledged(said(1))
    with broken("I8", "acknowledged before it was recorded"):
        commands.acknowledged(said(2))


def test_a_press_of_what_is_under_way_need_not_be_recorded(commands: Commands) -> None:
    pressed = PendingCommand(update_id=1, user_id=1, text="", data="v1:yes:a", message_id=7, said_at=NOON)
    commands.kept(ChatRecord(used_updates=(1,), pending=(pressed,)), 10.0)
    again = OperatorTapped(update_id=2, chat_id=1, user_id=1, data="v1:yes:a", message_id=7, tapped_at=NOON)
    commands.acknowledged(again)
    with broken("I8", "acknowledged before"):
        commands.acknowledged(replace(again, data="v1:yes:b"))


# --- I9 --------------------------------------------------------------------------------------------------------------
def alert(
    title: str, severity: Severity = Severity.CRITICAL, *, key: str = "", subject: str = "", after: float = 0.0
) -> RaiseAlert:
    what = Alert(kind="kind", severity=severity, key=key or title, title=title, subject=subject)
    return RaiseAlert(alert=what, raised_at=NOON + timedelta(seconds=after))


@pytest.fixture
def alerts() -> Alerts:
    return Alerts()


def test_critical_news_has_half_a_minute_from_when_the_chat_is_in_reach(alerts: Alerts) -> None:
    alerts.promise("a", alert("stop gone"), 100.0)
    alerts.check_in_time(130.0, 0.0)
    with broken("I9", "critical and not told"):
        alerts.check_in_time(130.1, 0.0)
    alerts.check_in_time(400.0, 380.0)
    with broken("I9"):
        alerts.check_in_time(411.0, 380.0)
    alerts.show("a", "CRITICAL: stop gone", ())
    alerts.check_in_time(500.0, 0.0)


@pytest.mark.parametrize("path", [addresses.STORE, addresses.ALERT_DISPATCHER, addresses.CHAT_COURIER])
def test_while_a_handler_stands_still_that_no_news_goes_round_critical_news_has_time(venue: Venue, path: str) -> None:
    clock = VirtualClock(NOON)
    watch = Watch(venue, clock, given_faults(1, {}, {}), GuardTerms())
    watch.alerts.promise("a", alert("stop gone"), 0.0)
    watch.held_up(path, 40.0)
    clock.advance(70.0)
    watch.check_time()
    clock.advance(0.1)
    with broken("I9", "critical and not told"):
        watch.check_time()


def test_a_handler_that_news_goes_round_excuses_nothing(venue: Venue) -> None:
    clock = VirtualClock(NOON)
    watch = Watch(venue, clock, given_faults(1, {}, {}), GuardTerms())
    watch.alerts.promise("a", alert("stop gone"), 0.0)
    watch.held_up("desk", 40.0)
    clock.advance(30.1)
    with broken("I9", "critical and not told"):
        watch.check_time()


def test_calm_news_may_take_longer(alerts: Alerts) -> None:
    alerts.promise("a", alert("filled", Severity.INFO), 100.0)
    alerts.check_in_time(9_000.0, 0.0)


def test_an_alert_shown_twice_without_saying_so_is_found(alerts: Alerts) -> None:
    alerts.promise("a", alert("stop gone"), 0.0)
    alerts.show("a", "CRITICAL: stop gone", ())
    alerts.show("a", "(again) CRITICAL: stop gone", ())
    with broken("I9", "told twice"):
        alerts.show("a", "CRITICAL: stop gone", ())


def test_the_same_news_shown_twice_within_its_window_is_found(alerts: Alerts) -> None:
    alerts.promise("a", alert("moved", Severity.WARNING, key="k"), 0.0)
    alerts.promise("b", alert("moved", Severity.WARNING, key="k", after=299.0), 0.0)
    alerts.promise("c", alert("moved", Severity.WARNING, key="k", after=300.0), 0.0)
    alerts.promise("d", alert("moved", key="k", after=301.0), 0.0)
    alerts.show("a", "Warning: moved", ())
    with broken("I9", "second time within its window"):
        alerts.show("b", "Warning: moved", ())
    alerts.show("c", "Warning: moved", ())
    alerts.show("d", "CRITICAL: moved", ())  # graver news is news


def test_news_that_was_refused_when_it_was_told_again_is_tried_anew_once_it_is_given_up(alerts: Alerts) -> None:
    for key in "abcd":
        alerts.promise(key, alert("stop gone", key="k"), 0.0)
    alerts.show("a", "CRITICAL: stop gone", ())  # and the daemon is killed before it hears so
    with broken("I9", "second time within its window"):
        alerts.show("b", "CRITICAL: stop gone", ())
    alerts.refuse("a")
    with broken("I9", "second time within its window"):
        alerts.show("b", "CRITICAL: stop gone", ())  # it may go through yet
    alerts.settle("a")
    alerts.show("c", "CRITICAL: stop gone", ())
    with broken("I9", "second time within its window"):
        alerts.show("d", "CRITICAL: stop gone", ())


def test_a_refusal_before_the_news_was_shown_excuses_no_second_time(alerts: Alerts) -> None:
    for key in "ab":
        alerts.promise(key, alert("stop gone", key="k"), 0.0)
    alerts.refuse("a")
    alerts.show("a", "CRITICAL: stop gone", ())
    alerts.settle("a")
    with broken("I9", "second time within its window"):
        alerts.show("b", "CRITICAL: stop gone", ())


def test_news_of_one_trade_out_of_their_order_are_found(alerts: Alerts) -> None:
    alerts.promise("a", alert("filled", Severity.INFO, subject="trade"), 0.0)
    alerts.promise("b", alert("stop gone", subject="trade"), 0.0)
    alerts.promise("c", alert("filled", Severity.INFO, key="other", subject="another"), 0.0)
    alerts.show("c", "filled", ())
    with broken("I9", "told before 'filled'"):
        alerts.show("b", "CRITICAL: stop gone", ())


def test_what_is_told_in_a_digest_counts_each_in_its_order(alerts: Alerts) -> None:
    for number in range(3):
        alerts.promise(f"{number}", alert(f"filled {number}", Severity.INFO, subject="trade"), 0.0)
    alerts.show("0", "3 alerts in one", ("12:00 filled 0", "12:00 filled 1", "12:01 filled 2"))
    for number in range(3):
        alerts.settle(f"{number}")
    alerts.check_rest()


def test_an_alert_settled_untold_is_found_unless_its_news_was_told_or_the_chat_refused_it(alerts: Alerts) -> None:
    alerts.promise("a", alert("filled", Severity.INFO, key="k"), 0.0)
    alerts.settle("a")
    with broken("I9", "settled and never told"):
        alerts.check_rest()
    alerts.check_rest(frozenset({"a"}))
    alerts.promise("b", alert("filled", Severity.INFO, key="k"), 0.0)
    alerts.show("b", "filled", ())
    alerts.settle("b")
    alerts.check_rest()


def test_a_refused_alert_stands_for_its_news_only_until_it_is_given_up(alerts: Alerts) -> None:
    for key in ("refused", "meanwhile", "after"):
        alerts.promise(key, alert("filled", Severity.INFO, key="k"), 0.0)
    for key in ("meanwhile", "refused"):
        alerts.settle(key)
    with broken("I9", "never settled"):
        alerts.check_rest(frozenset({"refused"}))
    alerts.settle("after")
    with broken("I9", "settled and never told"):
        alerts.check_rest(frozenset({"refused"}))
    alerts.show("after", "filled", ())
    alerts.check_rest(frozenset({"refused"}))


def test_news_settled_as_that_which_a_lost_store_never_told_is_lost_with_it_and_no_other_is(alerts: Alerts) -> None:
    for key, news in (("lost", "k"), ("same", "k"), ("other", "another")):
        alerts.promise(key, alert("filled", Severity.INFO, key=news), 0.0)
    alerts.settle("same")
    alerts.settle("other")
    alerts.forget(lambda _key: True)
    assert set(alerts.promised) == {"other"}
    with broken("I9", "settled and never told"):
        alerts.check_rest()


def test_an_alert_nobody_settles_and_one_nobody_promised_are_found(alerts: Alerts) -> None:
    alerts.promise("a", alert("filled", Severity.INFO), 0.0)
    with broken("I9", "never settled"):
        alerts.check_rest()
    with broken("I9", "never promised"):
        alerts.show("b", "stop gone", ())
