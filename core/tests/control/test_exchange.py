"""The exchange machine: events in, whole lists of actions compared."""

from __future__ import annotations

from copy import deepcopy

import pytest

from pal_core.control.exchange import (
    PHASES,
    Answered,
    Chunk,
    Close,
    Closed,
    Dismiss,
    Event,
    Exchange,
    HaltHost,
    HostHalted,
    IllegalEventError,
    Judge,
    Judged,
    PauseExchange,
    Predict,
    PredictQueue,
    Proposed,
    Quiet,
    Quieten,
    RankQueue,
    Reply,
    RerankAsked,
    ResumeExchange,
    WalkersGone,
)

A, B, P, Q = "generator/0", "generator/1", "prediction/0", "prediction/1"
A0, A1, B0 = Chunk(A, 0, 2), Chunk(A, 1, 1), Chunk(B, 0, 1)


def exchange(batching="ready", groups=((P,),), walkers=None) -> Exchange:
    return Exchange({A: 2, B: 1} if walkers is None else walkers, groups, batching)


def after(machine: Exchange, *events: Event) -> Exchange:
    for event in events:
        machine.handle(event)
    return machine


# --- batches


def test_first_chunk_leaves_at_once():
    assert exchange().handle(Proposed(A0)) == [Predict(0, (A0,), 0)]


def test_chunks_wait_for_a_free_group_and_then_leave_together_before_the_verdict():
    x = after(exchange(), Proposed(A0))
    assert x.handle(Proposed(B0)) == []
    assert x.handle(Answered(P, 0)) == [Predict(1, (B0,), 0), Judge(0)]


def test_chunks_that_wait_together_leave_in_the_order_of_their_arrival():
    x = after(exchange(), Proposed(A0), Proposed(B0), Proposed(A1))
    assert x.handle(Answered(P, 0)) == [Predict(1, (B0, A1), 0), Judge(0)]


def test_batch_is_judged_when_the_whole_committee_has_answered():
    x = after(exchange(groups=[[P, Q]]), Proposed(A0))
    assert x.handle(Answered(Q, 0)) == []
    assert x.handle(Answered(P, 0)) == [Judge(0)]


def test_every_chunk_of_a_judged_batch_is_answered():
    x = after(exchange(), Proposed(A0), Proposed(B0), Proposed(A1), Answered(P, 0), Answered(P, 1))
    assert x.handle(Judged(0)) == [Reply(0, A0)]
    assert x.handle(Judged(1)) == [Reply(1, B0), Reply(1, A1)]


def test_batches_are_judged_in_any_order():
    x = after(exchange(), Proposed(A0), Proposed(B0), Answered(P, 0), Answered(P, 1))
    assert x.handle(Judged(1)) == [Reply(1, B0)]
    assert x.handle(Judged(0)) == [Reply(0, A0)]


def test_replicas_share_the_batches():
    x = exchange(groups=[[P], [Q]])
    assert x.handle(Proposed(A0)) == [Predict(0, (A0,), 0)]
    assert x.handle(Proposed(B0)) == [Predict(1, (B0,), 1)]
    assert x.handle(Proposed(A1)) == []
    assert x.handle(Answered(Q, 1)) == [Predict(2, (A1,), 1), Judge(1)]


def test_lock_step_waits_for_every_live_walker():
    x = exchange("all")
    assert x.handle(Proposed(A0)) == []
    assert x.handle(Proposed(B0)) == [Predict(0, (A0, B0), 0)]


def test_lock_step_stops_waiting_for_walkers_that_have_ended():
    x = after(exchange("all"), Proposed(A0))
    assert x.handle(WalkersGone(B, 1)) == [Predict(0, (A0,), 0)]


def test_free_running_walkers_may_end_without_effect():
    assert exchange().handle(WalkersGone(B, 1)) == []


def test_paused_chunks_wait_for_the_end_of_the_pause():
    x = after(exchange(), PauseExchange())
    assert x.handle(Proposed(A0)) == []
    assert x.handle(ResumeExchange()) == [Predict(0, (A0,), 0)]


def test_batch_under_way_is_answered_during_a_pause():
    x = after(exchange(), Proposed(A0), Proposed(B0), PauseExchange())
    assert x.handle(Answered(P, 0)) == [Judge(0)]
    assert x.handle(Judged(0)) == [Reply(0, A0)]


# --- re-ranking


def test_queue_is_ranked_by_the_whole_committee():
    x = exchange(groups=[[P, Q]])
    assert x.handle(RerankAsked(5)) == [PredictQueue(0, 5, 0)]
    assert x.handle(Answered(P, 0)) == []
    assert x.handle(Answered(Q, 0)) == [RankQueue(0, 5)]


def test_ranking_goes_before_chunks_that_wait():
    x = after(exchange(), Proposed(A0), Proposed(B0), RerankAsked(1))
    assert x.handle(Answered(P, 0)) == [PredictQueue(1, 1, 0), Judge(0)]
    assert x.handle(Answered(P, 1)) == [RankQueue(1, 1), Predict(2, (B0,), 0)]


def test_ranking_goes_on_during_a_pause_and_while_the_walkers_end():
    assert after(exchange(), PauseExchange()).handle(RerankAsked(1)) == [PredictQueue(0, 1, 0)]
    assert after(exchange(), Quieten()).handle(RerankAsked(1)) == [PredictQueue(0, 1, 0)]


# --- the end


def test_quieten_halts_hosts_that_wait_for_nothing_and_dismisses_what_waits():
    x = after(exchange(walkers={A: 2, B: 1, "generator/2": 1}), Proposed(A0), Proposed(B0))
    assert x.handle(Quieten()) == [Dismiss(B0), HaltHost(B), HaltHost("generator/2")]


def test_host_with_a_batch_under_way_is_halted_after_its_answer():
    x = after(exchange(), Proposed(A0), Quieten())
    assert x.handle(Answered(P, 0)) == [Judge(0)]
    assert x.handle(Judged(0)) == [Reply(0, A0), HaltHost(A)]


def test_host_whose_batch_is_being_judged_is_halted_after_its_answer():
    x = after(exchange(), Proposed(A0), Answered(P, 0))
    assert x.handle(Quieten()) == [HaltHost(B)]
    assert x.handle(Judged(0)) == [Reply(0, A0), HaltHost(A)]


def test_chunk_that_crosses_the_order_to_halt_is_dismissed():
    assert after(exchange(), Quieten()).handle(Proposed(A0)) == [Dismiss(A0)]


def test_quiet_is_told_after_the_last_walker_host_has_halted():
    x = after(exchange(), Quieten())
    assert x.handle(HostHalted(B)) == []
    assert x.handle(HostHalted(A)) == [Quiet()]
    assert x.phase == "quiet"


def test_close_halts_every_group_and_closed_is_told_after_the_last():
    x = after(exchange(groups=[[P], [Q]]), Quieten(), HostHalted(A), HostHalted(B))
    assert x.handle(Close()) == [HaltHost(P), HaltHost(Q)]
    assert x.handle(HostHalted(Q)) == []
    assert x.handle(HostHalted(P)) == [Closed()]
    assert x.phase == "closed"


def test_close_lets_a_ranking_under_way_end_and_forgets_those_that_wait():
    x = after(exchange(), Quieten(), HostHalted(A), HostHalted(B), RerankAsked(1), RerankAsked(2))
    assert x.handle(Close()) == []
    assert x.handle(Answered(P, 0)) == [RankQueue(0, 1), HaltHost(P)]


def test_hosts_that_the_manager_has_halted_are_not_told_again():
    x = exchange(groups=[[P], [Q]])
    assert after(x, HostHalted(A), HostHalted(P)).handle(Quieten()) == [HaltHost(B)]
    assert x.handle(HostHalted(B)) == [Quiet()]
    assert x.handle(Close()) == [HaltHost(Q)]
    assert x.handle(HostHalted(Q)) == [Closed()]


def test_exchange_without_hosts_ends_at_once():
    x = Exchange({}, ())
    assert x.handle(Quieten()) == [Quiet()]
    assert x.handle(Close()) == [Closed()]


def test_machine_begins_in_the_first_phase_of_its_table():
    assert exchange().phase == next(iter(PHASES))


# --- what can't happen

ENDING = (Quieten(), HostHalted(A), HostHalted(B))
ILLEGAL = {
    "chunk of a stranger": ((), Proposed(Chunk("generator/9", 0, 1)), "not a running generator host"),
    "chunk of a halted host": (ENDING[:2], Proposed(A0), "not a running generator host"),
    "chunk twice": ((Proposed(A0),), Proposed(A0), "chunk 0 of generator/0, 1 expected"),
    "chunk too early": ((), Proposed(A1), "chunk 1 of generator/0, 0 expected"),
    "more walkers gone than there were": ((WalkersGone(A, 1),), WalkersGone(A, 2), "more walkers than it had"),
    "walkers of a stranger gone": ((), WalkersGone("generator/9", 0), "more walkers than it had"),
    "answer to nothing": ((), Answered(P, 0), "for which nobody waits"),
    "answer twice": ((Proposed(A0), Answered(P, 0)), Answered(P, 0), "for which nobody waits"),
    "answer of a host not asked": ((Proposed(A0),), Answered(Q, 0), "for which nobody waits"),
    "verdict on nothing": ((), Judged(0), "batch 0 was not to be judged"),
    "verdict too early": ((Proposed(A0),), Judged(0), "batch 0 was not to be judged"),
    "verdict twice": ((Proposed(A0), Answered(P, 0), Judged(0)), Judged(0), "batch 0 was not to be judged"),
    "verdict on a ranking": ((RerankAsked(1),), Judged(0), "batch 0 was not to be judged"),
    "quieten twice": ((Quieten(),), Quieten(), "told to quieten twice"),
    "close before quiet": ((Quieten(),), Close(), "before the walkers are quiet"),
    "close twice": ((*ENDING, Close()), Close(), "or twice"),
    "ranking after the end": ((*ENDING, Close()), RerankAsked(3), "asked for ranking 3 after the end"),
    "stranger halted": ((), HostHalted("generator/9"), "generator/9 halted, but it is not a running host"),
    "walker host halted twice": (ENDING, HostHalted(A), "generator/0 halted, but it is not"),
    "predictor halted twice": ((*ENDING, Close(), HostHalted(P)), HostHalted(P), "prediction/0 halted, but it is not"),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_illegal_event_is_refused_with_those_before_it_and_changes_nothing(case):
    history, event, why = ILLEGAL[case]
    x = after(exchange(), *history)
    before = state(x)
    with pytest.raises(IllegalEventError, match=why) as caught:
        x.handle(event)
    assert state(x) == before
    assert f"exchange ({x.phase})" in str(caught.value)
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [str(e) for e in (*history, event)]


def test_error_shows_the_last_twenty_events():
    x = after(exchange(), *[PauseExchange()] * 50)
    with pytest.raises(IllegalEventError) as caught:
        x.handle(Close())
    assert str(caught.value).splitlines()[1:] == ["  PauseExchange()"] * 19 + ["  Close()"]


@pytest.mark.parametrize("groups", [[[P], []], [[P], [P]], [[A]], [[P, P]]])
def test_groups_without_hosts_or_with_shared_hosts_are_refused(groups):
    with pytest.raises(ValueError, match="a group without hosts, or a host with two places"):
        exchange(groups=groups)


def state(x: Exchange) -> dict[str, object]:
    return deepcopy({name: value for name, value in vars(x).items() if name != "_recent"})
