"""When somebody is told of an export: exactly when something begins or ends, whatever the history looks like."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.alerts import Kind, Moment, Trouble, Turn, alerts, overdue, ranked
from reconciler.core.due import Timing
from reconciler.core.guarded import guards, why_guarded
from reconciler.core.model import Declarations, EnvSecret, FileSecret, Project
from reconciler.core.notify import Degraded, Form, Notify
from reconciler.core.record import ExportRun, RunStatus
from reconciler.report.alerts import LONGEST, alert_text, alert_title

if TYPE_CHECKING:
    from reconciler.core.alerts import Alert

ALL = ("failure", "blocked", "overdue", "degraded", "recovery")
TARGET = Notify("channel", EnvSecret("ALERTS_URL"))
FINE = ExportRun("news", "account", RunStatus.SUCCESSFUL, "none", unchanged=100)
REFUSAL = "Autopilot did not take 20 people; the next run sends them again"
LIKE = {
    "well": FINE,
    "failure": replace(FINE, status=RunStatus.FAILED, action="update", reasons=("Autopilot is down",)),
    "cut off": replace(FINE, status=RunStatus.INTERRUPTED, action="update"),
    "blocked": replace(FINE, status=RunStatus.FAILED, action="blocked", reasons=("nobody accepted",)),
    "degraded": replace(FINE, status=RunStatus.FAILED, action="update", unchanged=80, rejected=20, reasons=(REFUSAL,)),
    "skipped": replace(FINE, status=RunStatus.SKIPPED, action="skipped", unchanged=0),
    "canceled": replace(FINE, status=RunStatus.CANCELED, action="update", unchanged=0),
}
KINDS = {"failure": "failure", "cut off": "failure", "blocked": "blocked", "degraded": "degraded"}


def after(*words: str, to: Notify = TARGET) -> list[tuple[str, str]]:
    """Give what is told after the last of these runs."""
    return [(a.kind.value, a.turn.value) for a in alerts(past(*words), (), to)]


def past(*words: str) -> list[Moment]:
    return [Moment(LIKE[word], told=word != "cut off") for word in words]


@given(st.lists(st.sampled_from(sorted(LIKE)), max_size=14))
def test_a_sequence_of_runs_alerts_exactly_at_each_change(words: list[str]) -> None:
    words.append("well")  # whatever a run that was cut off did not tell, the next one does
    told = [
        alert for count in range(1, len(words) + 1) if words[count - 1] != "cut off" for alert in after(*words[:count])
    ]
    expected, state = [], ""
    for word in words:
        now = state if word in {"skipped", "canceled"} else KINDS.get(word, "")
        if now != state:
            expected.append((now, "first") if now else (state, "recovery"))
        state = now
    assert told == expected


@given(st.lists(st.sampled_from(sorted(LIKE)), max_size=14), st.sets(st.sampled_from(ALL), min_size=1))
def test_a_target_hears_of_what_it_asked_for_alone(words: list[str], on: set[str]) -> None:
    to, last, open_ = replace(TARGET, on=tuple(on)), "", ""
    for count in range(1, len(words) + 1):
        if words[count - 1] == "cut off":
            continue
        for kind, turn in after(*words[:count], to=to):
            assert kind in on
            assert turn == "first" or "recovery" in on
            assert turn == "first" or kind == open_, "an end is told of what began"
            open_ = kind if turn == "first" else ""
            last = words[count - 1]
    assert not open_ or "recovery" not in on or last not in {"", "well"}


def test_a_run_that_was_killed_is_told_by_the_next_one() -> None:
    assert after("well", "cut off", "well") == [("failure", "first"), ("failure", "recovery")]
    assert after("well", "cut off", "failure") == [("failure", "first")]
    assert after("failure", "cut off", "well") == [("failure", "recovery")]


def test_one_kind_that_follows_another_is_no_recovery() -> None:
    assert after("failure", "blocked") == [("blocked", "first")]
    assert after("failure", "blocked", to=replace(TARGET, on=("failure", "recovery"))) == []
    assert after("failure", "blocked", "well", to=replace(TARGET, on=("failure", "recovery"))) == [
        ("failure", "recovery")
    ]


def last_of(*runs: ExportRun, limits: Degraded = TARGET.degraded) -> list[str]:
    to = replace(TARGET, degraded=limits)
    return [a.sentence for a in alerts([Moment(run) for run in runs], (), to)]


def test_a_refused_share_counts_from_over_its_limit() -> None:
    def refusing(people: int) -> ExportRun:
        return replace(LIKE["degraded"], unchanged=100 - people, rejected=people)

    assert last_of(FINE, refusing(5)) == []
    (told,) = last_of(FINE, refusing(6))
    assert told == "Autopilot refused 6 of 100 people (6%, more than 5%)"
    assert last_of(FINE, refusing(1), limits=Degraded(rejected=0)) != []


def test_refusals_do_not_hide_that_more_went_wrong() -> None:
    both = replace(LIKE["degraded"], rejected=1, reasons=(REFUSAL, "80 people are not brought up to date"))
    assert [a.kind for a in alerts([Moment(FINE), Moment(both)], (), TARGET)] == [Kind.FAILURE]


@pytest.mark.parametrize(("people", "runs", "told"), [(151, 3, True), (150, 3, False), (49, 10, True), (151, 2, False)])
def test_a_count_far_from_the_mean_of_the_last_runs(people: int, runs: int, *, told: bool) -> None:
    assert bool(last_of(*[FINE] * runs, replace(FINE, unchanged=people))) is told


def test_only_the_last_runs_make_the_mean_and_no_run_of_a_retired_export() -> None:
    many = replace(FINE, unchanged=1_000)
    assert last_of(*[many] * 20, *[FINE] * 9, replace(FINE, unchanged=100), limits=Degraded(runs=5)) == []
    retired = replace(FINE, action="retire", unchanged=0, left=1_000)
    assert last_of(*[many] * 5, retired, FINE) == []


def test_nobody_sent_although_there_was_something_to_send() -> None:
    nobody = replace(FINE, action="create", unchanged=0, excluded={"no_consent": 40})
    assert last_of(nobody) == ["nobody was sent: all 40 who were chosen are left out"]
    assert last_of(FINE, replace(FINE, action="update", unchanged=60)) == [
        "nobody was sent, although only 60 of 100 people are as they were"
    ]
    assert last_of(FINE, replace(FINE, action="update")) == [], "only settings were changed"


def test_overdue_is_told_when_it_begins_and_when_it_ends() -> None:
    late = Trouble(Kind.OVERDUE, "late")
    for states, told in (
        ([None, late, late], ["first"]),
        ([late, late, late], []),
        ([late, late, None], ["recovery"]),
        ([None, late, None], ["first", "recovery"]),
        ([None, None, None], []),
    ):
        assert [a.turn.value for a in alerts([Moment(FINE)], states, TARGET)] == told
    assert alerts([Moment(FINE)], [None, late], replace(TARGET, on=("failure",))) == ()


@given(st.integers(0, 180))
def test_a_scheduled_time_is_missed_once_the_tolerance_is_over(minutes: int) -> None:
    now = dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)
    timing = Timing(now=True, since=now - dt.timedelta(minutes=minutes), next=None)
    assert (overdue(timing, now, dt.timedelta(hours=1)) is not None) is (minutes > 60)


def many(number: int) -> tuple[Alert, ...]:
    first = alerts(past("failure"), (), TARGET)[0]
    return tuple(replace(first, export=f"export-{n}", sentence="word " * 100) for n in range(number))


def test_a_message_is_bounded_and_says_first_what_it_leaves_out() -> None:
    text = alert_text(many(500), "https://github.example/runs/1", Form.DATA)
    first, *lines, link = text.split("\n")
    assert len(text) < LONGEST + 200
    assert first == f"Cut: {500 - len(lines):,} more are not named, and the history has them."
    assert link == "https://github.example/runs/1"
    assert all(len(line) <= 400 for line in lines)


@pytest.mark.parametrize("form", list(Form))
def test_what_a_server_said_does_nothing_where_it_is_read(form: Form) -> None:
    said = replace(many(1)[0], sentence="see [x](https://example.com) <!channel> <at>all</at> *b*\n::error::\u202e")
    (text,) = alert_text([said], "", form).split("\n")
    assert "\u202e" not in text
    assert ("://" in text) is (form is Form.DATA)
    if form is Form.CARD:
        assert r"\[x\](https:" in text
        assert "<" not in text


def test_the_file_of_a_url_is_changed_by_administrators_alone() -> None:
    project = Project(notify=(Notify("channel", FileSecret("secrets/alerts.url")),))
    guarded = guards(Declarations(project=project), "/repository", "")
    assert why_guarded("secrets/alerts.url", guarded) == 'which holds the URL of the webhook "channel"'


def test_the_link_leads_somewhere_on_a_card() -> None:
    *_, link = alert_text(many(1), "https://github.example/my_runs/1", Form.CARD).split("\n\n")
    assert link == "[the workflow's run](https://github.example/my_runs/1)"


def test_the_title_counts_and_what_begins_comes_first() -> None:
    failed, recovered = many(2), replace(many(1)[0], turn=Turn.RECOVERY, export="a")
    found = ranked([recovered, *failed])
    assert [a.export for a in found] == ["export-0", "export-1", "a"]
    assert alert_title(found, "contoso") == "reconciler, contoso: 2 exports failed, 1 recovered"
