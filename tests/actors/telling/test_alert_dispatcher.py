"""Alerts find the person: all of them, the urgent first, in order within a trade, once unless marked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from actors.errors import AccessDenied, OutcomeUnknown, Rejected, Throttled, Unreachable
from actors.messages import addresses
from actors.messages.alert_records import (
    AlertGivenUp,
    FailedAlertsQuestion,
    OfferDefaultChat,
    RetryFailedAlerts,
)
from actors.messages.alerts import DeliverAlert
from actors.messages.storing import Append, Perform, PromisedEffect, Settle
from actors.messages.trading import CancelRequested
from actors.model.alert import Severity
from actors.ports import ChatUp

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def not_sent(_chat: int, _screen: Any) -> tuple[Exception, bool]:
    return Unreachable("no route to the chat"), False


def test_an_alert_reaches_the_default_chat_and_settles(world: Any) -> None:
    key = world.raise_alert("entry filled")
    world.pass_time(1)
    assert [(shown.chat_id, shown.screen.title) for shown in world.chat.shown] == [(17, "entry filled")]
    assert world.disk.settlements == [(key, "")]


def test_an_alert_with_a_chat_of_its_own_goes_there(world: Any) -> None:
    world.raise_alert("entry filled", chat_id=99)
    world.pass_time(1)
    assert [shown.chat_id for shown in world.chat.shown] == [99]


def test_the_same_news_within_the_window_is_told_once(world: Any) -> None:
    world.raise_alert("stop moved", key="a")
    second = world.raise_alert("stop moved", key="a")
    world.pass_time(299)
    third = world.raise_alert("stop moved", key="a")
    world.pass_time(1)
    assert world.chat.titles() == ["stop moved"]
    assert [each for each in world.disk.settlements if each[1]] == [(second, "duplicate"), (third, "duplicate")]
    world.pass_time(10)
    world.raise_alert("stop moved", key="a")
    world.pass_time(1)
    assert world.chat.titles() == ["stop moved", "stop moved"]


def test_graver_news_under_the_same_key_is_told(world: Any) -> None:
    world.raise_alert("stop late", WARNING, key="a")
    world.raise_alert("stop late", CRITICAL, key="a")
    world.raise_alert("stop late", WARNING, key="a")
    world.pass_time(1)
    assert sorted(world.chat.titles()) == ["CRITICAL: stop late", "Warning: stop late"]


def test_a_restart_remembers_what_was_told(world: Any) -> None:
    world.raise_alert("stop moved", key="a")
    world.pass_time(1)
    world.system.kill(addresses.ALERT_DISPATCHER)
    world.pass_time(1)
    world.raise_alert("stop moved", key="a")
    world.pass_time(1)
    assert world.chat.titles() == ["stop moved"]
    assert not world.disk.unsettled()


@pytest.mark.parametrize("seed", range(10))
def test_news_that_comes_while_the_record_is_still_being_read_is_held_against_it(make_world: Any, seed: int) -> None:
    world = make_world(seed=seed).start()
    world.raise_alert("stop moved", key="a")
    world.pass_time(1)
    world.raise_alert("stop moved", key="a")
    world.system.kill(addresses.ALERT_DISPATCHER)
    world.settle_down()
    assert world.chat.titles() == ["stop moved"]


def test_an_alert_whose_release_got_lost_is_found_in_the_outbox(world: Any) -> None:
    world.lose(addresses.ALERT_DISPATCHER, Perform)
    world.pass_time(61)
    world.raise_alert("filled")
    world.pass_time(61)
    assert world.chat.titles() == ["filled"]


def test_what_the_store_released_when_it_fell_is_told_as_soon_as_it_is_back(world: Any) -> None:
    world.lose(addresses.ALERT_DISPATCHER, Perform)
    world.pass_time(1)
    world.raise_alert("stop gone", CRITICAL)
    world.pass_time(1)
    world.system.kill(addresses.STORE)
    world.pass_time(3)
    assert world.chat.titles() == ["CRITICAL: stop gone"]


def test_what_was_told_when_the_store_forgot_that_is_settled_once_it_is_back(world: Any) -> None:
    world.lose(addresses.STORE, Settle)
    world.raise_alert("stop moved")
    world.pass_time(1)
    assert world.disk.unsettled()
    world.system.kill(addresses.STORE)
    world.pass_time(3)
    assert not world.disk.unsettled()
    assert world.chat.titles() == ["stop moved"]


def test_the_most_urgent_waiting_alert_goes_first(world: Any) -> None:
    world.chat.mishap = not_sent
    for title, severity in (("i", INFO), ("w", WARNING), ("c", CRITICAL), ("i2", INFO)):
        world.raise_alert(title, severity)
    world.pass_time(0.5)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles() == ["CRITICAL: c", "Warning: w", "i", "i2"]


def test_order_holds_within_a_trade_and_urgency_carries_its_elders_along(world: Any) -> None:
    world.chat.mishap = not_sent
    world.raise_alert("other", WARNING)
    world.raise_alert("filled", INFO, subject="trade")
    world.raise_alert("stop gone", CRITICAL, subject="trade")
    world.pass_time(0.5)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles() == ["filled", "CRITICAL: stop gone", "Warning: other"]


def test_a_long_wait_makes_an_alert_as_urgent_as_a_warning_but_never_critical(make_world: Any) -> None:
    world = make_world(aging_seconds=30.0).start()
    world.chat.mishap = not_sent
    world.raise_alert("old")
    world.pass_time(100)
    world.raise_alert("new", WARNING)
    world.raise_alert("worst", CRITICAL)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles() == ["CRITICAL: worst", "old", "Warning: new"]


def test_what_was_held_up_says_for_how_long(world: Any) -> None:
    world.chat.mishap = not_sent
    world.raise_alert("filled")
    world.pass_time(7 * 60)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    (shown,) = world.chat.shown
    assert shown.screen.lines[0].startswith("delayed 7 min") or shown.screen.lines[0].startswith("delayed 8 min")
    assert shown.screen.title == "filled"  # it was never sent before, so it is no repeat


def test_an_unclear_outcome_is_sent_again_and_marked(world: Any) -> None:
    outcomes = [(OutcomeUnknown("timed out"), True)]
    world.chat.mishap = lambda _chat, _screen: outcomes.pop() if outcomes else None
    world.raise_alert("filled")
    world.settle_down()
    assert world.chat.titles() == ["filled", "(again) filled"]


def test_a_full_chat_is_given_the_time_it_asks_for_and_is_no_fault(world: Any) -> None:
    tries = [0]

    def full(_chat: int, _screen: Any) -> tuple[Exception, bool] | None:
        tries[0] += 1
        if tries[0] > 8:
            return None
        return Throttled("too many requests", until=world.now() + timedelta(seconds=20)), False

    world.chat.mishap = full
    world.raise_alert("filled")
    world.settle_down()
    pauses = [later - earlier for (earlier, _), (later, _) in zip(world.chat.calls, world.chat.calls[1:], strict=False)]
    assert all(20 <= pause < 21 for pause in pauses)
    assert world.reading().breaker == "closed"
    assert world.chat.titles() == ["filled"]


def test_urgent_news_goes_first_when_a_full_chat_opens_again(world: Any) -> None:
    until = world.now() + timedelta(seconds=30)
    world.chat.mishap = lambda _chat, _screen: (
        (Throttled("too many requests", until=until), False) if world.now() < until else None
    )
    world.raise_alert("filled")
    world.pass_time(5)
    world.raise_alert("stop gone", CRITICAL)
    world.settle_down()
    assert world.chat.titles() == ["CRITICAL: stop gone", "filled"]


def test_after_five_failures_the_breaker_opens_and_one_message_probes(world: Any) -> None:
    world.chat.mishap = not_sent
    for number in range(3):
        world.raise_alert(f"chat {number}", chat_id=number + 1)
    world.pass_time(10)
    opened_after = len(world.chat.calls)
    assert world.reading().breaker == "open"
    assert 5 <= opened_after <= 7  # those under way at the fifth failure still end
    world.pass_time(20)
    assert len(world.chat.calls) == opened_after + 1
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.reading().breaker == "closed"
    assert sorted(world.chat.titles()) == ["chat 0", "chat 1", "chat 2"]


def test_when_the_chat_is_back_nothing_waits_out_a_pause_it_no_longer_needs(world: Any) -> None:
    world.chat.mishap = not_sent
    world.raise_alert("stop gone", CRITICAL)
    world.pass_time(600)
    assert world.reading().breaker == "open"
    world.chat.mishap = lambda _chat, _screen: None
    world.chat.report(ChatUp(name="standfast_bot"))
    world.pass_time(1)
    assert world.chat.titles() == ["CRITICAL: stop gone"]
    assert world.reading().breaker == "closed"


def test_after_a_long_outage_critical_news_is_told_within_half_a_minute_though_nobody_reports_the_end(
    world: Any,
) -> None:
    world.chat.mishap = not_sent
    world.raise_alert("stop gone", CRITICAL)
    world.pass_time(1000)
    world.chat.mishap = lambda _chat, _screen: None
    world.pass_time(30)
    assert world.chat.titles() == ["CRITICAL: stop gone"]


def test_a_chat_that_asked_for_patience_gets_it_though_it_is_back(world: Any) -> None:
    until = world.now() + timedelta(seconds=30)
    world.chat.mishap = lambda _chat, _screen: (
        (Throttled("too many requests", until=until), False) if world.now() < until else None
    )
    world.raise_alert("stop gone", CRITICAL)
    world.pass_time(5)
    world.chat.report(ChatUp(name="standfast_bot"))
    world.pass_time(20)
    assert len(world.chat.calls) == 1
    world.settle_down()
    assert world.chat.titles() == ["CRITICAL: stop gone"]


def test_the_probe_is_the_most_urgent_of_all_chats(world: Any) -> None:
    world.chat.mishap = not_sent
    world.raise_alert("calm", chat_id=1)
    world.pass_time(40)
    world.raise_alert("grave", CRITICAL, chat_id=2)
    world.pass_time(5)
    calls = len(world.chat.calls)
    assert world.crank.run(lambda: len(world.chat.calls) > calls, within_seconds=120)
    assert world.chat.calls[-1][1] == "CRITICAL: grave"


def test_a_refused_alert_is_kept_told_to_health_and_can_be_sent_again(world: Any) -> None:
    world.chat.mishap = lambda _chat, _screen: (Rejected("chat not found"), False)
    key = world.raise_alert("filled", key="k")
    world.pass_time(1)
    assert world.disk.settlements == [(key, "failed: chat not found")]
    assert world.health == [AlertGivenUp(effect_key=key, chat_id=17, text="chat not found")]
    world.system.kill(addresses.ALERT_DISPATCHER)
    world.pass_time(1)
    (failed,) = world.system.ask(addresses.ALERT_DISPATCHER, FailedAlertsQuestion())
    assert (failed.alert.title, failed.text) == ("filled", "chat not found")
    world.chat.mishap = lambda _chat, _screen: None
    assert world.system.ask(addresses.ALERT_DISPATCHER, RetryFailedAlerts()) == 1
    world.settle_down()
    assert world.chat.titles() == ["filled"]
    assert world.system.ask(addresses.ALERT_DISPATCHER, FailedAlertsQuestion()) == ()


def test_a_refused_alert_does_not_stand_for_the_same_news_that_comes_later(world: Any) -> None:
    world.chat.mishap = lambda _chat, _screen: (Rejected("Message is too long"), False)
    world.raise_alert("foreign fill", CRITICAL, key="k")
    world.pass_time(1)
    world.chat.mishap = lambda _chat, _screen: None
    world.raise_alert("foreign fill", CRITICAL, key="k")
    world.raise_alert("foreign fill", CRITICAL, key="k")
    world.pass_time(1)
    assert world.chat.titles() == ["CRITICAL: foreign fill"]
    assert world.system.ask(addresses.ALERT_DISPATCHER, RetryFailedAlerts()) == 1
    world.settle_down()
    assert world.chat.titles() == ["CRITICAL: foreign fill"] * 2  # a person wanted it sent again


def test_the_same_refused_news_is_kept_once(world: Any) -> None:
    world.chat.mishap = lambda _chat, _screen: (Rejected("bot was blocked"), False)
    for title in ("filled", "filled", "closed"):
        world.raise_alert(title, key=title)
        world.pass_time(1)
    failed = world.system.ask(addresses.ALERT_DISPATCHER, FailedAlertsQuestion())
    assert [each.alert.title for each in failed] == ["filled", "closed"]


def test_refused_graver_news_leaves_what_was_told_before_it_told(world: Any) -> None:
    world.raise_alert("stop late", WARNING, key="k")
    world.pass_time(1)
    world.chat.mishap = lambda _chat, _screen: (Rejected("Message is too long"), False)
    world.raise_alert("stop late", CRITICAL, key="k")
    world.pass_time(1)
    world.chat.mishap = lambda _chat, _screen: None
    world.raise_alert("stop late", WARNING, key="k")
    world.pass_time(1)
    assert world.chat.titles() == ["Warning: stop late"]


def refused_over_a_restart(world: Any, severity: Severity, *, waiting: int = 1) -> None:
    """Have news wait under the key k while another chat is told something, and be refused after a restart."""
    world.chat.mishap = lambda chat, screen: not_sent(chat, screen) if "stop late" in screen.title else None
    world.raise_alert("stop late", severity, key="k")
    world.pass_time(0.5)
    world.raise_alert("filled", chat_id=1)
    world.pass_time(0.5)
    assert len(world.disk.unsettled()) == waiting
    world.system.kill(addresses.ALERT_DISPATCHER)
    world.chat.mishap = lambda _chat, _screen: (Rejected("Message is too long"), False)
    world.settle_down()
    world.chat.mishap = lambda _chat, _screen: None


def test_news_that_waited_over_a_restart_and_was_refused_then_does_not_stand_for_what_comes_later(world: Any) -> None:
    refused_over_a_restart(world, WARNING)
    world.raise_alert("stop late", WARNING, key="k")
    world.raise_alert("stop late", WARNING, key="k")
    world.settle_down()
    assert world.chat.titles() == ["filled", "Warning: stop late"]


def test_graver_news_refused_after_a_restart_leaves_what_was_told_before_it_told(world: Any) -> None:
    world.raise_alert("stop late", WARNING, key="k")
    world.pass_time(1)
    refused_over_a_restart(world, CRITICAL)
    world.raise_alert("stop late", WARNING, key="k")
    world.settle_down()
    assert world.chat.titles() == ["Warning: stop late", "filled"]


def test_news_refused_under_both_its_severities_does_not_stand_for_what_comes_later(world: Any) -> None:
    world.chat.mishap = lambda _chat, _screen: (Rejected("Message is too long"), False)
    world.raise_alert("stop late", WARNING, key="k", subject="trade")
    world.raise_alert("stop late", CRITICAL, key="k", subject="trade")
    world.settle_down()
    world.chat.mishap = lambda _chat, _screen: None
    world.raise_alert("stop late", WARNING, key="k", subject="trade")
    world.settle_down()
    assert world.chat.titles() == ["Warning: stop late"]


def test_news_closed_after_a_restart_as_graver_news_does_not_stand_once_that_is_refused(world: Any) -> None:
    world.chat.mishap = lambda chat, screen: not_sent(chat, screen) if "stop late" in screen.title else None
    world.raise_alert("stop late", WARNING, key="k")
    refused_over_a_restart(world, CRITICAL, waiting=2)
    world.raise_alert("stop late", WARNING, key="k")
    world.settle_down()
    assert world.chat.titles() == ["filled", "Warning: stop late"]


def test_an_alert_refused_twice_can_be_sent_a_third_time(world: Any) -> None:
    world.chat.mishap = lambda _chat, _screen: (Rejected("bot was blocked"), False)
    world.raise_alert("filled")
    for _ in range(2):
        world.pass_time(1)
        world.system.ask(addresses.ALERT_DISPATCHER, RetryFailedAlerts())
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles() == ["filled"]


def test_only_the_last_hundred_failed_alerts_are_kept(make_world: Any) -> None:
    world = make_world(failed_kept=3).start()
    world.chat.mishap = lambda _chat, _screen: (Rejected("no"), False)
    for number in range(5):
        world.raise_alert(f"{number}")
    world.pass_time(5)
    failed = world.system.ask(addresses.ALERT_DISPATCHER, FailedAlertsQuestion())
    assert [each.alert.title for each in failed] == ["2", "3", "4"]


def test_a_refused_token_loses_nothing(world: Any) -> None:
    world.chat.mishap = lambda _chat, _screen: (AccessDenied("token refused"), False)
    world.raise_alert("filled")
    world.pass_time(3600)
    assert world.disk.unsettled()
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles() == ["filled"]


def test_many_quiet_alerts_go_as_one_message_that_lists_each(world: Any) -> None:
    world.chat.mishap = not_sent
    keys = [world.raise_alert(f"step {number}", subject=f"trade {number % 3}") for number in range(25)]
    world.raise_alert("stop gone", CRITICAL)
    world.pass_time(1)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    first, digest = world.chat.shown
    assert first.screen.title == "CRITICAL: stop gone"
    assert "25 alerts" in digest.screen.title
    assert [line.partition(" ")[2] for line in digest.screen.lines] == [f"step {number}" for number in range(25)]
    assert {key for key, _ in world.disk.settlements} >= set(keys)


def test_a_digest_never_overtakes_a_louder_elder_of_its_trade(world: Any) -> None:
    world.chat.mishap = not_sent
    world.raise_alert("late stop", WARNING, subject="a")
    for number in range(30):
        world.raise_alert(f"a {number}", subject="a")
    for number in range(30):
        world.raise_alert(f"b {number}", subject="b")
    world.pass_time(1)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles()[0] == "Warning: late stop"


def test_a_refused_digest_is_sent_one_by_one_and_only_the_bad_one_is_given_up(world: Any) -> None:
    world.chat.mishap = not_sent
    for number in range(22):
        world.raise_alert(f"step {number}")
    world.pass_time(1)
    world.chat.mishap = lambda _chat, screen: (
        (Rejected("too long"), False) if "alerts in one" in screen.title or screen.title == "step 5" else None
    )
    world.settle_down()
    assert len(world.system.ask(addresses.ALERT_DISPATCHER, FailedAlertsQuestion())) == 1
    told = [line for shown in world.chat.shown for line in (shown.screen.title, *shown.screen.lines)]
    assert all(any(f"step {number}" in line for line in told) for number in range(22) if number != 5)
    world.chat.mishap = not_sent
    for number in range(22):
        world.raise_alert(f"later {number}")
    world.pass_time(1)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles()[-1].startswith("22 alerts in one")


def test_without_a_chat_alerts_wait_until_one_is_offered(make_world: Any) -> None:
    world = make_world(default_chat_id=None).start()
    world.raise_alert("filled")
    world.pass_time(100)
    assert (world.chat.calls, world.reading().waiting) == ([], 1)
    world.system.tell(addresses.ALERT_DISPATCHER, OfferDefaultChat(chat_id=5))
    world.settle_down()
    assert [shown.chat_id for shown in world.chat.shown] == [5]
    world.system.kill(addresses.ALERT_DISPATCHER)
    world.pass_time(1)
    world.system.tell(addresses.ALERT_DISPATCHER, OfferDefaultChat(chat_id=6))
    world.raise_alert("closed")
    world.settle_down()
    assert [shown.chat_id for shown in world.chat.shown] == [5, 5]


def test_beyond_the_bound_alerts_wait_in_the_store_and_none_is_lost(make_world: Any) -> None:
    world = make_world(bound=20, digest_above=1000).start()
    world.chat.mishap = not_sent
    for number in range(100):
        world.raise_alert(f"{number:03}", subject=f"trade {number % 7}")
    for number in range(25):
        world.raise_alert(f"grave {number:02}", CRITICAL)
    world.pass_time(1)
    reading = world.reading()
    assert (reading.spilled, reading.waiting_critical) == (True, 25)
    assert reading.waiting <= 25 + 20
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    titles = world.chat.titles()
    assert len(titles) == 125
    assert all(title.startswith("CRITICAL") for title in titles[:25])
    for trade in range(7):
        mine = [title for title in titles if title.isdigit() and int(title) % 7 == trade]
        assert mine == sorted(mine)


def test_a_critical_alert_behind_a_long_outbox_is_first_after_a_restart(make_world: Any) -> None:
    world = make_world(bound=10, read_limit=16).start()
    world.chat.mishap = not_sent
    for number in range(40):
        world.raise_alert(f"{number}", WARNING)
    world.raise_alert("stop gone", CRITICAL)
    world.pass_time(1)
    world.system.kill(addresses.ALERT_DISPATCHER)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles()[0] == "CRITICAL: stop gone"
    assert len(world.chat.titles()) == 41


def test_a_critical_alert_waits_for_elders_of_its_trade_that_are_in_the_store_alone(make_world: Any) -> None:
    world = make_world(bound=4).start()
    world.chat.mishap = not_sent
    for number in range(8):
        world.raise_alert(f"other {number}", WARNING)
    world.raise_alert("filled", subject="t")
    world.pass_time(1)
    world.raise_alert("stop gone", CRITICAL, subject="t")
    world.pass_time(1)
    world.chat.mishap = lambda _chat, _screen: None
    world.settle_down()
    assert world.chat.titles()[:2] == ["filled", "CRITICAL: stop gone"]
    assert len(world.chat.titles()) == 10


def test_a_crash_between_sending_and_recording_costs_no_second_message(world: Any) -> None:
    world.raise_alert("filled")
    assert world.crank.run(lambda: bool(world.chat.shown), within_seconds=5)
    world.system.kill(addresses.ALERT_DISPATCHER)  # the text is out, its settlement is not
    world.settle_down()
    assert world.chat.titles() == ["filled"]  # the courier remembers


def test_a_crash_of_dispatcher_and_courier_after_sending_repeats_it_once_and_marked(world: Any) -> None:
    world.raise_alert("filled")
    assert world.crank.run(lambda: bool(world.chat.shown), within_seconds=5)
    world.system.kill(addresses.ALERT_DISPATCHER)
    world.system.kill(addresses.CHAT_COURIER)
    world.settle_down()
    assert world.chat.titles() == ["filled", "(again) filled"]


def test_a_crash_before_sending_repeats_nothing(world: Any) -> None:
    world.crash(addresses.CHAT_COURIER, DeliverAlert)
    world.raise_alert("filled")
    world.settle_down()
    assert world.chat.titles() == ["(again) filled"]  # nobody can know that it was not sent


def test_what_is_no_alert_does_not_take_the_dispatcher_down(world: Any) -> None:
    request = CancelRequested(effect_key="x", client_order_id="y", requested_at=world.now())
    effect = PromisedEffect(key="odd", destination=addresses.ALERT_DISPATCHER, owner="x", request=request)
    world.system.tell(addresses.STORE, Append(stream="odd", expected_sequence=0, facts=(), effects=(effect,)))
    world.raise_alert("filled")
    world.settle_down()
    assert ("odd", "not an alert") in world.disk.settlements
    assert world.chat.titles() == ["filled"]


class Weather:
    """A chat service with outages of every kind."""

    def __init__(self, random: Random, now: Callable[[], Any]) -> None:
        self._random = random
        self._now = now
        self.outage = 0.0

    def __call__(self, _chat: int, _screen: Any) -> tuple[Exception, bool] | None:
        if self._random.random() >= self.outage:
            return None
        kinds: list[tuple[Exception, bool]] = [
            (Unreachable("no route"), False),
            (OutcomeUnknown("timed out"), self._random.random() < 0.5),
            (Throttled("full", until=self._now() + timedelta(seconds=15)), False),
        ]
        return self._random.choice(kinds)


def told_in(chat_id: int, world: Any) -> list[tuple[str, bool]]:
    """What stands in a chat, oldest first, digests taken apart: (title, whether it is marked as a repeat)."""
    digest = "alerts in one"
    shown = [each.screen for each in world.chat.shown if each.chat_id == chat_id]
    lines = [line for screen in shown for line in (screen.lines if digest in screen.title else (screen.title,))]
    assert not any("CRITICAL" in line for screen in shown if digest in screen.title for line in screen.lines)
    return [(line[-3:], "(again)" in line) for line in lines]


@pytest.mark.parametrize("seed", range(40))
def test_through_any_outage_every_alert_arrives_in_order_and_once_unless_marked(
    make_world: Callable[..., Any], seed: int
) -> None:
    random = Random(seed)
    world = make_world(seed=seed, bound=random.choice((15, 1000)), digest_above=random.choice((5, 20))).start()
    weather = world.chat.mishap = Weather(random, world.now)
    victims = (addresses.ALERT_DISPATCHER, addresses.CHAT_COURIER, addresses.STORE, *["nobody"] * 12)
    raised: dict[int, list[tuple[str, str]]] = {17: [], 18: []}  # by chat: (title, subject), oldest first
    for number in range(60):
        weather.outage = random.choice((0.0, 0.3, 1.0))
        severity = random.choices((CRITICAL, WARNING, INFO), (1, 2, 12))[0]
        chat_id, subject, title = random.choice((17, 18)), f"trade {random.randrange(4)}", f"n{number:02}"
        raised[chat_id].append((title, subject))
        world.raise_alert(title, severity, subject=f"{subject} of {chat_id}", chat_id=chat_id)
        world.pass_time(random.choice((0.1, 0.1, 3.0, 40.0)))
        world.system.kill(random.choice(victims))
    weather.outage = 0.0
    world.settle_down(3600)

    for chat_id, alerts in raised.items():
        told = told_in(chat_id, world)
        firsts = list(dict.fromkeys(title for title, _ in told))
        unmarked = [title for title, marked in told if not marked]
        story = f"seed {seed}, chat {chat_id}: {told}"
        assert sorted(firsts) == [title for title, _ in alerts], story
        assert len(unmarked) == len(set(unmarked)), story
        for wanted in ("trade 0", "trade 1", "trade 2", "trade 3"):
            mine = [title for title, subject in alerts if subject == wanted]
            assert [title for title in firsts if title in mine] == mine, story
