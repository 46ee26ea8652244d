"""The exchange machine: events in, whole lists of actions compared."""

from __future__ import annotations

import pytest
from exchange_world import state_of

from pal_core.control.exchange import (
    PHASES,
    Answered,
    Chunk,
    Close,
    Closed,
    Dismiss,
    Event,
    Exchange,
    GoOn,
    HaltHost,
    HostBack,
    HostHalted,
    HostLost,
    IllegalEventError,
    Judge,
    Judged,
    Predict,
    PredictQueue,
    Proposed,
    Quiet,
    Quieten,
    RankQueue,
    Repeat,
    Reply,
    RerankAsked,
    ResumeExchange,
    WalkersGone,
)

A, B, P, Q = "generator/0", "generator/1", "prediction/0", "prediction/1"
A0, A1, B0 = Chunk(A, 0, 2, 2), Chunk(A, 1, 1, 1), Chunk(B, 0, 1, 1)


def exchange(batching="ready", groups=((P,),), walkers=None, **more) -> Exchange:
    return Exchange({A: 2, B: 1} if walkers is None else walkers, groups, batching, **more)


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


def test_lock_step_waits_for_every_walker_however_many_samples_one_has():
    x, band = exchange("all"), Chunk(A, 0, 9, 1)
    assert x.handle(Proposed(band)) == []
    assert x.handle(Proposed(B0)) == []
    rest = Chunk(A, 1, 1, 1)
    assert x.handle(Proposed(rest)) == [Predict(0, (band, rest, B0), 0)]


def test_lock_step_forgets_the_walkers_of_a_band_with_its_host():
    x, band = exchange("all"), Chunk(A, 0, 9, 1)
    assert after(x, Proposed(band)).handle(HostLost(A)) == [Dismiss(band)]
    assert x.handle(Proposed(B0)) == [Predict(0, (B0,), 0)]


def test_lock_step_stops_waiting_for_walkers_that_have_ended():
    x = after(exchange("all"), Proposed(A0))
    assert x.handle(WalkersGone(B, (2,))) == [Predict(0, (A0,), 0)]


def test_free_running_walkers_may_end_without_effect():
    assert exchange().handle(WalkersGone(B, (2,))) == []


def test_walkers_that_are_said_to_have_ended_twice_count_once():
    x = after(exchange("all"), WalkersGone(A, (0,)), WalkersGone(A, (0,)), Proposed(B0))
    assert x.handle(Proposed(Chunk(A, 0, 1, 1))) == [Predict(0, (B0, Chunk(A, 0, 1, 1))[::-1], 0)]


def test_chunk_and_answer_that_come_twice_change_nothing():
    x = after(exchange(), Proposed(A0))
    assert x.handle(Proposed(A0)) == []
    assert x.handle(Answered(P, 0)) == [Judge(0)]
    assert x.handle(Answered(P, 0)) == []
    assert x.handle(Judged(0)) == [Reply(0, A0)]
    assert x.handle(Answered(P, 0)) == []
    assert x.handle(Proposed(A0)) == []


# --- single turns


def test_stepwise_every_batch_of_walkers_needs_a_turn_of_its_own():
    x = exchange(stepwise=True)
    assert x.handle(Proposed(A0)) == []
    assert x.handle(ResumeExchange()) == [Predict(0, (A0,), 0)]
    assert after(x, Answered(P, 0)).handle(Proposed(B0)) == []
    assert x.handle(ResumeExchange()) == [Predict(1, (B0,), 0)]


def test_turn_given_before_anything_waits_is_taken_by_the_next_batch():
    x = after(exchange("all", stepwise=True), ResumeExchange(), Proposed(A0))
    assert x.handle(Proposed(B0)) == [Predict(0, (A0, B0), 0)]
    assert after(x, Answered(P, 0), Judged(0), Proposed(A1)).handle(WalkersGone(B, (2,))) == []


def test_batch_under_way_is_answered_between_turns():
    x = after(exchange(stepwise=True), ResumeExchange(), Proposed(A0), Proposed(B0))
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


def test_ranking_goes_on_between_turns_and_while_the_walkers_end():
    assert exchange(stepwise=True).handle(RerankAsked(1)) == [PredictQueue(0, 1, 0)]
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


# --- hosts that are lost and come back


def test_walkers_go_on_without_a_lost_host_and_what_it_proposed_is_forgotten():
    x = after(exchange("all"), Proposed(A0))
    assert x.handle(HostLost(A)) == [Dismiss(A0)]
    assert x.handle(Proposed(B0)) == [Predict(0, (B0,), 0)]


def test_lock_step_no_longer_waits_for_a_lost_host():
    assert after(exchange("all"), Proposed(B0)).handle(HostLost(A)) == [Predict(0, (B0,), 0)]


def test_chunk_under_way_of_a_lost_host_is_dismissed_when_it_is_judged():
    x = after(exchange("all"), Proposed(A0), Proposed(B0), HostLost(A), Answered(P, 0))
    assert x.handle(Judged(0)) == [Dismiss(A0), Reply(0, B0)]


def test_late_words_of_a_lost_host_change_nothing():
    x = after(exchange(), HostLost(A))
    assert x.handle(Proposed(A0)) == [Dismiss(A0)]
    assert x.handle(WalkersGone(A, (0,))) == []
    assert x.handle(HostLost(A)) == []


def test_host_that_is_back_counts_its_chunks_anew_with_all_its_walkers():
    x = after(exchange("all"), WalkersGone(A, (0,)), HostLost(A))
    assert x.handle(HostBack(A, 100)) == [GoOn(A)]
    assert x.handle(Proposed(B0)) == []
    assert x.handle(Proposed(A1)) == [], "of its life before"
    again = Chunk(A, 100, 2, 2)
    assert x.handle(Proposed(again)) == [Predict(0, (again, B0), 0)]


def test_batch_of_a_lost_predictor_waits_and_is_sent_again():
    x = after(exchange(), Proposed(A0))
    assert x.handle(HostLost(P)) == []
    assert x.handle(Answered(P, 0)) == [], "an answer that was on its way"
    assert x.handle(Proposed(B0)) == []
    assert x.handle(HostBack(P)) == [Repeat(0, P)]
    assert x.handle(Answered(P, 0)) == [Predict(1, (B0,), 0), Judge(0)]


def test_idle_group_without_its_host_gets_no_batch_until_it_is_back():
    x = after(exchange(), HostLost(P))
    assert x.handle(Proposed(A0)) == []
    assert x.handle(RerankAsked(1)) == []
    assert x.handle(HostBack(P)) == [PredictQueue(0, 1, 0)]


def test_other_groups_go_on_without_a_lost_one():
    x = after(exchange(groups=[[P], [Q]]), HostLost(P))
    assert x.handle(Proposed(A0)) == [Predict(0, (A0,), 1)]


def test_committee_of_one_member_says_nothing_of_disagreement_and_gets_no_batch():
    x = after(exchange(groups=[[P, Q]]), Proposed(A0), Proposed(B0), Answered(P, 0), HostLost(P))
    assert x.handle(Answered(Q, 0)) == [Judge(0)]
    assert x.handle(HostBack(P)) == [Predict(1, (B0,), 0)]


def test_group_goes_on_with_the_members_left_if_they_can_disagree():
    x = after(exchange(groups=[[P, Q]], members={P: 2, Q: 2}), Proposed(A0), Answered(Q, 0), Proposed(B0))
    assert x.handle(HostLost(P)) == [Predict(1, (B0,), 0), Judge(0)]
    assert x.handle(Answered(Q, 1)) == [Judge(1)]
    assert x.handle(HostBack(P)) == []
    assert after(x, Proposed(A1)).handle(Answered(P, 2)) == [], "asked again, like all hosts of its group"


def test_predictor_that_is_back_gets_only_what_it_owes():
    x = after(exchange(groups=[[P], [Q]]), Proposed(A0), Proposed(B0), HostLost(P), HostLost(Q))
    assert x.handle(HostBack(Q)) == [Repeat(1, Q)]


def test_walker_host_lost_at_the_end_counts_as_halted():
    x = after(exchange(), Quieten(), HostHalted(A))
    assert x.handle(HostLost(B)) == [Quiet()]
    assert x.handle(HostBack(B, 5)) == [], "too late"


def test_batch_that_waits_for_a_lost_predictor_is_forgotten_at_the_end():
    x = after(exchange(), Proposed(A0), HostLost(P))
    assert x.handle(Quieten()) == [Dismiss(A0), HaltHost(A), HaltHost(B)]
    assert after(x, HostHalted(A)).handle(HostHalted(B)) == [Quiet()]
    assert x.handle(Close()) == [Closed()]


def test_predictor_lost_while_the_walkers_end_does_not_hold_up_the_others():
    x = after(exchange(groups=[[P, Q]]), Proposed(A0), Quieten())
    assert x.handle(HostLost(P)) == []
    assert x.handle(Answered(Q, 0)) == [Dismiss(A0), HaltHost(A)]


def test_ranking_that_waits_for_a_lost_predictor_is_forgotten_while_the_exchange_closes():
    x = after(exchange(groups=[[P], [Q]]), RerankAsked(1), Quieten(), HostHalted(A), HostHalted(B), Close())
    assert x.handle(HostLost(P)) == []
    assert x.handle(HostHalted(Q)) == [Closed()]


def test_host_that_says_twice_that_it_has_halted_changes_nothing():
    x = after(exchange(), Quieten(), HostHalted(B))
    assert x.handle(HostHalted(B)) == []
    assert x.handle(HostHalted(A)) == [Quiet()]


# --- what can't happen

ENDING = (Quieten(), HostHalted(A), HostHalted(B))
ILLEGAL = {
    "chunk of a stranger": ((), Proposed(Chunk("generator/9", 0, 1, 1)), "not a running generator host"),
    "chunk of a halted host": (ENDING[:2], Proposed(A0), "not a running generator host"),
    "chunk too early": ((), Proposed(A1), "chunk 1 of generator/0, 0 expected"),
    "more walkers gone than there were": ((WalkersGone(A, (0,)),), WalkersGone(A, (1, 5)), "more walkers than it had"),
    "walkers of a stranger gone": ((), WalkersGone("generator/9", (0,)), "more walkers than it had"),
    "answer to nothing": ((), Answered(P, 0), "for which nobody waits"),
    "answer of a walker host": ((Proposed(A0),), Answered(A, 0), "for which nobody waits"),
    "answer of a host not asked": ((Proposed(A0),), Answered(Q, 0), "for which nobody waits"),
    "verdict on nothing": ((), Judged(0), "batch 0 was not to be judged"),
    "verdict too early": ((Proposed(A0),), Judged(0), "batch 0 was not to be judged"),
    "verdict twice": ((Proposed(A0), Answered(P, 0), Judged(0)), Judged(0), "batch 0 was not to be judged"),
    "verdict on a ranking": ((RerankAsked(1),), Judged(0), "batch 0 was not to be judged"),
    "quieten twice": ((Quieten(),), Quieten(), "told to quieten twice"),
    "close before quiet": ((Quieten(),), Close(), "before the walkers are quiet"),
    "close twice": ((*ENDING, Close()), Close(), "or twice"),
    "ranking after the end": ((*ENDING, Close()), RerankAsked(3), "asked for ranking 3 after the end"),
    "stranger halted": ((), HostHalted("generator/9"), "generator/9 halted, but it is no host of this exchange"),
    "host back that was never lost": ((), HostBack(A, 3), "generator/0 is back, but was never lost"),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_illegal_event_is_refused_with_those_before_it_and_changes_nothing(case):
    history, event, why = ILLEGAL[case]
    x = after(exchange(), *history)
    before = state_of(x)
    with pytest.raises(IllegalEventError, match=why) as caught:
        x.handle(event)
    assert state_of(x) == before
    assert f"exchange ({x.phase})" in str(caught.value)
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [str(e) for e in (*history, event)]


def test_error_shows_the_last_twenty_events():
    x = after(exchange(), *[ResumeExchange()] * 50)
    with pytest.raises(IllegalEventError) as caught:
        x.handle(Close())
    assert str(caught.value).splitlines()[1:] == ["  ResumeExchange()"] * 19 + ["  Close()"]


@pytest.mark.parametrize("groups", [[[P], []], [[P], [P]], [[A]], [[P, P]]])
def test_groups_without_hosts_or_with_shared_hosts_are_refused(groups):
    with pytest.raises(ValueError, match="a group without hosts, or a host with two places"):
        exchange(groups=groups)
