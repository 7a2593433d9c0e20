"""The fold and the next step: pure, so that every state is made here without a process."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_loops import (
    bindings,
    events,
    experiments,
    files,
    fold,
    fold_cache,
    journal,
    steps,
)
from agent_loops.paths import CampaignPaths
from agent_loops.state import Campaign
from agent_loops.steps import Step

HOST = "here"
BEGIN = datetime(2026, 3, 5, 12, tzinfo=timezone.utc)
BINDINGS = "metric: loss\nrun_cmd: run\neditable_files: [a.py]\nrun_tag: t\nkeep_rule: plain\n"


@dataclass
class Story:
    """Events one after the other, a minute apart unless told otherwise, and their fold."""

    extra: str = ""
    now: datetime = BEGIN
    records: list[events.Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bindings = bindings.parse(BINDINGS + self.extra, default_tag="t")
        self.add(
            events.CampaignStarted(
                tag="t", project="/p", bindings=self.bindings.to_json(), bindings_digest="b",
                harness_digest="h", code="code 1", salt="s", environment={}, repository={},
                device={}, program_version="0",
            ),
        )  # fmt: skip

    def add(self, event: events.Event, *, after_s: float = 60.0) -> Story:
        self.now += timedelta(seconds=after_s)
        time = self.now.isoformat(timespec="milliseconds")
        self.records.append(events.Record(len(self.records) + 1, time, "boot", event))
        return self

    @property
    def campaign(self) -> Campaign:
        folded = fold.fold(self.records)
        assert folded is not None
        return folded

    def experiment(self, code: str = "", **more: Any) -> Story:
        number = self.campaign.next_number
        baseline = self.campaign.wants_baseline
        return self.add(
            events.ExperimentStarted(
                experiment=number, description=f"idea {number}", code=code or f"code {number}",
                baseline=baseline, **more,
            )
        )  # fmt: skip

    def run(self, *, host: str = HOST, purpose: str = "measure", number: int = 0) -> Story:
        campaign = self.campaign
        number = number or campaign.open_number or 0
        run = len(campaign.experiments[number].runs) + 1
        return self.add(
            events.RunStarted(
                experiment=number, run=run, purpose=purpose, marker=f"m{number}.{run}", host=host,
                pid=1, pid_start=0.0, timeout_s=60.0, seed=run,
            )
        )  # fmt: skip

    def finished(self, value: float | None = None, **more: Any) -> Story:
        open_run = self.campaign.open_run
        assert open_run is not None
        values: dict[str, Any] = {"outcome": "exited", "elapsed_s": 10.0, "wall_s": 10.0}
        if value is None and "crash_kind" not in more:
            values["crash_kind"] = "idea"
        values |= {"experiment": open_run[0], "run": open_run[1], "value": value, **more}
        return self.add(events.RunFinished(**values))

    def decided(self, verdict: str, kind: str = "", metric: float | None = None) -> Story:
        number = self.campaign.open_number
        assert number is not None
        return self.add(
            events.Decided(experiment=number, verdict=verdict, kind=kind, reason="r", metric=metric)
        )

    def settled(self) -> Story:
        number = self.campaign.open_number
        assert number is not None
        return self.add(events.Settled(experiment=number))

    def keep(self, value: float) -> Story:
        return self.experiment().run().finished(value).decided("keep", metric=value).settled()

    def discard(self, value: float, code: str = "") -> Story:
        story = self.experiment(code).run().finished(value)
        return story.decided("discard", "worse", metric=value).settled()

    def crash(self, **more: Any) -> Story:
        return self.experiment().run().finished(**more).decided("crash", "idea").settled()

    def rebaselined(self) -> Story:
        return self.add(
            events.Rebaselined(
                why="w", bindings=self.bindings.to_json(), bindings_digest="b2",
                harness_digest="h2", bindings_file="f",
            )
        )  # fmt: skip

    def next(
        self,
        *,
        run_locked: bool = False,
        receipt: bool = False,
        host: str = HOST,
        boot_id: str = "",
    ) -> Step:
        return steps.next_step(
            self.campaign, run_locked=run_locked, receipt=receipt, host=host, boot_id=boot_id
        )


def lost(story: Story) -> Story:
    return story.finished(outcome="lost", crash_kind="machine", crash_reason="run lost")


# ---- the table of gaps --------------------------------------------------------------------------


def test_nothing_recorded_nothing_to_do() -> None:
    assert Story().next() is Step.IDLE


def test_experiment_recorded_without_a_run_is_started() -> None:
    assert Story().experiment().next() is Step.START_RUN


@pytest.mark.parametrize("receipt", [False, True])
@pytest.mark.parametrize("host", [HOST, "elsewhere"])
def test_a_held_lock_is_a_run_alive_whatever_else_is_found(host: str, receipt: bool) -> None:  # noqa: FBT001
    story = Story().experiment().run(host=host)
    assert story.next(run_locked=True, receipt=receipt) is Step.AWAIT_RUN


def test_a_receipt_is_taken_up_whoever_wrote_it() -> None:
    assert Story().experiment().run().next(receipt=True) is Step.TAKE_RECEIPT
    assert Story().experiment().run(host="elsewhere").next(receipt=True) is Step.TAKE_RECEIPT


def test_no_process_and_no_receipt_is_lost_only_on_the_same_host() -> None:
    assert Story().experiment().run().next() is Step.LOST
    assert Story().experiment().run(host="elsewhere").next() is Step.ELSEWHERE
    assert Story().experiment().run(host="elsewhere").next(boot_id="another") is Step.ELSEWHERE


def test_a_machine_that_was_renamed_since_it_booted_is_the_same() -> None:
    assert Story().experiment().run(host="elsewhere").next(boot_id="boot") is Step.LOST


def test_lost_once_is_run_again_and_lost_twice_is_decided() -> None:
    story = lost(Story().experiment().run())
    open_ = story.campaign.open
    assert open_ is not None
    assert (story.next(), experiments.purpose_of_next_run(open_)) == (Step.START_RUN, "retry")
    assert lost(story.run(purpose="retry")).next() is Step.DECIDE


def test_finished_is_decided_and_decided_is_settled() -> None:
    story = Story().experiment().run().finished(1.0)
    assert story.next() is Step.DECIDE
    assert story.decided("keep", metric=1.0).next() is Step.SETTLE
    assert story.settled().next() is Step.IDLE


def test_a_baseline_that_crashed_stays_open_and_waits() -> None:
    story = Story().crash()
    assert story.next() is Step.IDLE
    assert story.campaign.open_number == 1
    assert story.campaign.wants_baseline


def test_an_idea_that_crashed_is_not_run_again() -> None:
    assert Story().keep(1.0).experiment().run().finished().next() is Step.DECIDE


PERSONS_DOING = [{"outcome": "stopped", "crash_kind": "machine"}, {"crash_kind": "edited"}]


@pytest.mark.parametrize("ended", PERSONS_DOING)
def test_what_a_person_did_to_a_run_is_not_run_again(ended: Mapping[str, str]) -> None:
    assert Story().experiment(runs_wanted=2).run().finished(**ended).next() is Step.DECIDE


def test_repeats_are_run_until_there_are_enough() -> None:
    story = Story().experiment(runs_wanted=2).run().finished(1.0)
    open_ = story.campaign.open
    assert open_ is not None
    assert (story.next(), experiments.purpose_of_next_run(open_)) == (Step.START_RUN, "repeat")
    assert story.run(purpose="repeat").finished(1.1).next() is Step.DECIDE
    assert story.decided("repeat").next() is Step.START_RUN


def test_a_loss_among_repeats_costs_no_reading() -> None:
    story = Story().experiment(runs_wanted=2).run().finished(1.0)
    story = lost(story.run(purpose="repeat"))
    assert story.next() is Step.START_RUN
    assert story.run(purpose="retry").finished(1.1).next() is Step.DECIDE


# ---- three crashes in a row ---------------------------------------------------------------------


def crashed_thrice() -> Story:
    return Story().keep(1.0).crash().crash().crash()


def test_three_crashes_in_a_row_call_for_the_incumbent() -> None:
    assert Story().keep(1.0).crash().crash().next() is Step.IDLE
    assert crashed_thrice().next() is Step.CANARY
    assert Story().keep(1.0).crash().crash().discard(2.0).crash().next() is Step.IDLE


def test_an_incumbent_that_runs_clears_the_ideas_name() -> None:
    story = crashed_thrice().run(purpose="canary", number=1).finished(1.0)
    assert story.next() is Step.IDLE
    assert story.crash().next() is Step.IDLE


def test_an_incumbent_that_crashes_pauses_even_after_a_kill() -> None:
    story = crashed_thrice().run(purpose="canary", number=1).finished(crash_reason="no GPU")
    assert story.next() is Step.PAUSE
    assert story.campaign.canary_crash
    assert story.add(events.Paused(by="engine")).next() is Step.IDLE


@pytest.mark.parametrize("ended", PERSONS_DOING)
def test_a_check_that_a_person_disturbed_pauses_nothing(ended: Mapping[str, str]) -> None:
    story = crashed_thrice().run(purpose="canary", number=1)
    assert story.finished(**ended).next() is Step.IDLE


def test_a_check_that_was_lost_is_made_again_once() -> None:
    story = lost(crashed_thrice().run(purpose="canary", number=1))
    assert story.next() is Step.CANARY
    assert lost(story.run(purpose="canary", number=1)).next() is Step.PAUSE


def test_the_check_changes_no_verdict_and_counts_as_a_reading() -> None:
    campaign = crashed_thrice().run(purpose="canary", number=1).finished(1.2).campaign
    assert campaign.incumbent_number == 1
    assert campaign.metric_of(campaign.experiments[1]) == pytest.approx(1.1)
    assert campaign.experiments[1].verdict == "keep"


@pytest.mark.parametrize("ended", PERSONS_DOING)
def test_what_a_person_disturbed_is_no_crash_in_the_row(ended: Mapping[str, str]) -> None:
    story = Story().keep(1.0).crash().crash()
    story.experiment().run().finished(**ended)
    story.decided("crash", "machine").settled()
    assert story.next() is Step.IDLE
    assert story.crash().next() is Step.CANARY


# ---- incumbent and best -------------------------------------------------------------------------


def numbers(campaign: Campaign) -> tuple[int | None, int | None]:
    incumbent, best = campaign.incumbent, campaign.best
    return (incumbent.number if incumbent else None, best.number if best else None)


def test_incumbent_follows_the_keeps() -> None:
    assert numbers(Story().campaign) == (None, None)
    assert numbers(Story().keep(1.0).discard(1.5).keep(0.9).crash().campaign) == (3, 3)


def test_an_override_is_taken_back_whole() -> None:
    story = Story().keep(1.0).keep(0.9).discard(0.9)
    before = numbers(story.campaign)
    story.add(events.Overridden(experiment=3, verdict="keep", why="w"))
    assert story.next() is Step.SETTLE
    assert numbers(story.settled().campaign)[0] == 3
    story.add(events.Overridden(experiment=3, verdict="discard", why="w")).settled()
    assert numbers(story.campaign) == before
    assert story.campaign.counts == {"keep": 2, "discard": 1}


def test_over_budget_is_never_the_best() -> None:
    story = Story().keep(1.0).experiment().run().finished(0.1)
    story.decided("discard", "over budget", metric=0.1).settled()
    assert numbers(story.campaign) == (1, 1)


def test_a_rebaseline_compares_with_nothing_before_it() -> None:
    story = Story().keep(1.0).keep(0.5)
    story.rebaselined()
    campaign = story.campaign
    assert campaign.wants_baseline
    assert (campaign.best, campaign.baseline) == (None, None)
    assert campaign.incumbent_number == 2
    story.experiment("code 2").run().finished(0.8).decided("keep", metric=0.8).settled()
    campaign = story.campaign
    assert numbers(campaign) == (3, 3)
    assert campaign.metric_of(campaign.experiments[2]) == 0.5
    assert not campaign.wants_baseline


def test_readings_of_the_same_code_are_pooled() -> None:
    story = Story().keep(1.0).discard(1.2, "same").discard(1.4, "same")
    campaign = story.campaign
    assert campaign.metric_of(campaign.experiments[2]) == pytest.approx(1.3)
    assert campaign.metric_of(campaign.experiments[3]) == pytest.approx(1.3)


# ---- switches, sessions, notes ------------------------------------------------------------------


def test_resume_undoes_pause_and_stop() -> None:
    story = Story().add(events.Paused(by="p")).add(events.Stopped(by="p"))
    assert story.campaign.paused
    assert story.campaign.stopped
    campaign = story.add(events.Resumed()).campaign
    assert campaign.paused is None
    assert campaign.stopped is None


def test_a_note_is_told_with_the_next_verdict_once() -> None:
    story = Story().add(events.Note(text="hurry")).keep(1.0).keep(0.9)
    campaign = story.campaign
    assert campaign.experiments[1].notes == ("hurry",)
    assert campaign.experiments[2].notes == ()


# ---- stop conditions and time -------------------------------------------------------------------


def test_a_count_is_reached_by_verdicts_and_not_by_an_open_baseline() -> None:
    assert not Story("max_experiments: 1\n").crash().campaign.stop_reason(BEGIN)
    assert Story("max_experiments: 2\n").keep(1.0).crash().campaign.stop_reason(BEGIN)


def test_a_target_is_reached_from_its_own_side() -> None:
    assert not Story("target: 0.9\n").keep(1.0).campaign.stop_reason(BEGIN)
    assert Story("target: 0.9\n").keep(0.9).campaign.stop_reason(BEGIN)
    high = "target: 0.9\nmetric_direction: maximize\n"
    assert not Story(high).keep(0.8).campaign.stop_reason(BEGIN)
    assert Story(high).keep(0.95).campaign.stop_reason(BEGIN)


def test_runs_count_by_their_own_time_and_pauses_do_not_count() -> None:
    story = Story("stop_after: 1h\n").experiment().run()
    ended = events.RunFinished(experiment=1, run=1, outcome="exited", value=1.0, elapsed_s=3000.0)
    story.add(ended, after_s=7 * 86400.0)
    story.decided("keep", metric=1.0).settled()
    used = 3000.0 + 4 * 60.0
    assert story.campaign.active_s == pytest.approx(used)
    story.add(events.Paused(by="p"))
    story.add(events.Resumed(), after_s=86400.0)
    assert story.campaign.active_s == pytest.approx(used + 60.0)


@pytest.mark.parametrize("jump_s", [86400.0, -86400.0, 3.2e9, -3.2e9])
def test_a_jump_of_the_clock_counts_for_a_quarter_of_an_hour_at_most(jump_s: float) -> None:
    story = Story("stop_after: 1h\n").keep(1.0)
    before = story.campaign.active_s
    story.experiment()
    without = story.campaign.active_s
    story.records.pop()
    story.now -= timedelta(seconds=60)
    story.now += timedelta(seconds=jump_s)
    story.experiment()
    assert 0 <= story.campaign.active_s - before <= 900.0
    assert without - before == pytest.approx(60.0)
    assert not story.campaign.stop_reason(BEGIN)
    assert story.next() is Step.START_RUN


# ---- the fold is a fold -------------------------------------------------------------------------


def test_a_journal_begins_with_its_campaign() -> None:
    record = events.Record(1, BEGIN.isoformat(), "boot", events.Note(text="x"))
    with pytest.raises(ValueError, match="campaign_started"):
        fold.fold([record])


def told(seed: int, length: int) -> Story:
    """A campaign as it may go, with clocks that jump."""
    chance = random.Random(seed)
    story = Story("stop_after: 2h\n")
    while len(story.records) < length:
        story.now += timedelta(seconds=chance.choice([0.0, 5.0, 600.0, 1e5, -1e5]))
        campaign = story.campaign
        step = story.next(receipt=chance.random() < 0.8)
        match step:
            case Step.IDLE:
                _go_on(story, campaign, chance)
            case Step.START_RUN:
                assert campaign.open is not None
                story.run(purpose=experiments.purpose_of_next_run(campaign.open))
            case Step.CANARY:
                story.run(purpose="canary", number=campaign.incumbent_number or 0)
            case Step.PAUSE:
                story.add(events.Paused(by="engine")).add(events.Resumed())
            case Step.TAKE_RECEIPT:
                story.finished(chance.choice([None, 1.0, 0.9, chance.random()]))
            case Step.LOST:
                lost(story)
            case Step.SETTLE:
                story.settled()
            case _:
                assert step is Step.DECIDE
                _decide(story, campaign, chance)
    return story


def _go_on(story: Story, campaign: Campaign, chance: random.Random) -> None:
    choice, last = chance.random(), campaign.last
    decided = last is not None and last.epoch == campaign.epoch and not last.started.baseline
    if choice < 0.1:
        story.add(events.Note(text="a note"))
    elif choice < 0.2 and last is not None and decided and last.verdict in ("keep", "discard"):
        turned = "discard" if last.verdict == "keep" else "keep"
        story.add(events.Overridden(experiment=last.number, verdict=turned, why="w"))
    elif choice < 0.25 and campaign.incumbent is not None:
        story.rebaselined()
    elif campaign.open is not None:
        code = f"code {len(story.records)}"
        number = campaign.open.number
        story.add(
            events.ExperimentStarted(
                experiment=number, description="again", code=code, baseline=True
            )
        )
    else:
        story.experiment(code=f"code {chance.randrange(8)}" if choice > 0.8 else "")


def _decide(story: Story, campaign: Campaign, chance: random.Random) -> None:
    assert campaign.open is not None
    finished = campaign.open.last_finished
    assert finished is not None
    if finished.crash_kind:
        story.decided("crash", finished.crash_kind)
    elif campaign.open.started.baseline:
        story.decided("keep", metric=finished.value)
    else:
        story.decided(chance.choice(["keep", "discard"]), metric=finished.value)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(5, 80))
def test_folding_in_parts_and_from_a_cache_is_folding(seed: int, length: int) -> None:
    story = told(seed, length)
    whole = story.campaign
    assert whole.seq == len(story.records)
    assert whole.active_s >= 0
    assert sorted(whole.experiments) == list(range(1, len(whole.experiments) + 1))
    cut = random.Random(seed).randrange(1, len(story.records) + 1)
    part = fold.fold(story.records[:cut])
    assert part is not None
    assert comparable(fold.fold(story.records[cut:], part)) == comparable(whole)


def comparable(campaign: Campaign | None) -> dict[str, Any]:
    assert campaign is not None
    values = dict(vars(campaign))
    del values["found_best"]  # remembered, not folded
    values["experiments"] = dict(campaign.experiments)
    values["counts"] = {key: count for key, count in campaign.counts.items() if count}
    return values


@pytest.mark.parametrize("seed", range(6))
def test_a_cache_at_any_line_changes_nothing(tmp_path: Path, seed: int) -> None:
    story = told(seed, 60)
    paths = CampaignPaths(tmp_path)
    offsets = []
    for record in story.records:
        at = datetime.fromisoformat(record.time)
        written = journal.Journal(paths, boot_id=record.boot_id, now=lambda at=at: at)  # type: ignore[misc]
        assert written.append(record.event, seq=record.seq) == record
        offsets.append(paths.journal.stat().st_size)
    read = journal.Journal(paths, boot_id="boot")
    assert [record for _, record in read.records()] == story.records
    for cut in range(1, len(story.records) + 1):
        part = fold.fold(story.records[:cut])
        assert part is not None
        fold_cache.save(part, paths, offset=offsets[cut - 1])
        cached = fold_cache.load(paths)
        assert cached is not None
        campaign, offset = cached
        later = read.records(offset=offset, first_line=campaign.seq + 1)
        assert comparable(fold.fold((one for _, one in later), campaign)) == comparable(
            story.campaign
        )


# ---- lines that agent-loops did not write -------------------------------------------------------


SEAL = "what the run does not know"


def sealed_run() -> Story:
    story = Story().keep(1.0).experiment()
    started = events.RunStarted(
        experiment=2, run=1, purpose="measure", marker="m", host=HOST, pid=1, pid_start=0.0,
        timeout_s=60.0, seed=1, seal_digest=files.sha256(SEAL.encode()),
    )  # fmt: skip
    return story.add(started)


def end_of(**more: Any) -> events.RunFinished:
    return events.RunFinished(**{"experiment": 2, "run": 1, "outcome": "exited", **more})


FORGED: dict[str, events.Event] = {
    "no seal": end_of(value=1e-6),
    "another seal": end_of(value=1e-6, seal="a guess"),
    "another run": end_of(run=2, seal=SEAL),
    "passed checks": events.ChecksFinished(experiment=2, run=1, passed=True, outcome="exited"),
    "a verdict": events.Decided(experiment=2, verdict="keep", kind="", reason="", metric=1e-6),
    "a run of its own": events.RunStarted(
        experiment=2, run=2, purpose="measure", marker="m", host=HOST, pid=1, pid_start=0.0,
        timeout_s=60.0, seed=1,
    ),
    "an override": events.Overridden(experiment=1, verdict="discard", why=""),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_run_cannot_write_its_own_end(forged: events.Event) -> None:
    story = sealed_run().add(forged)
    with pytest.raises(ValueError, match="agent-loops did not write this line"):
        _ = story.campaign


def test_the_seal_ends_a_run_and_a_lost_one_has_no_reading() -> None:
    run = sealed_run().add(end_of(value=1.5, seal=SEAL)).campaign.experiments[2].runs[0]
    assert run.reading == 1.5
    run = sealed_run().add(end_of(value=1e-6, outcome="lost")).campaign.experiments[2].runs[0]
    assert run.reading is None
