"""The message types that may be journalled, promised or kept, in one list."""

from __future__ import annotations

from actors.messages import (  # the last three register their documents themselves
    accounts,
    adopting,
    alert_records,
    alerts,
    booking,
    codec,
    exit_facts,
    fanning,
    guarding,
    operator,
    orders,
    trading,
)

STORABLE = (
    orders.PlaceOrder,
    orders.AmendOrder,
    orders.CancelOrder,
    orders.SetPositionStop,
    orders.EffectSettled,
    orders.ExecutionReported,
    orders.OrderReported,
    orders.PositionReported,
    alerts.RaiseAlert,
    trading.StartMonitor,
    trading.ChangeTrade,
    trading.TradeOpened,
    trading.OrderRequested,
    trading.AmendRequested,
    trading.CancelRequested,
    trading.ExitStarted,
    trading.StopPriceMoved,
    trading.OrderAbsent,
    trading.MemoryLost,
    trading.ExecutionsRead,
    trading.ExcessPassedOn,
    trading.TradeClosed,
    fanning.HalfPromised,
    fanning.MirrorPromised,
    fanning.FollowMain,
    fanning.MainLeft,
    exit_facts.TargetPriceMoved,
    exit_facts.FloorArmed,
    exit_facts.EntriesExpired,
    exit_facts.StopLooseningAsked,
    exit_facts.TargetSet,
    trading.SafetyHeeded,
    adopting.AdoptionShown,
    adopting.ProtectionStands,
    adopting.OutsideStopRemovalRequested,
    guarding.SafetyChanged,
    guarding.LockSet,
    guarding.LockReleased,
    guarding.GuardsReading,
    accounts.BackstopMoved,
    accounts.PositionVerified,
    accounts.ReductionBooked,
    accounts.FundingBooked,
    accounts.ExcessReported,
)

codec.register(*STORABLE)

SELF_REGISTERED = (alert_records, booking, operator)
