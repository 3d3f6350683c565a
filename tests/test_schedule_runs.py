"""Whole runs on a clock that is set: what `--trigger schedule` runs and passes over, and what `status` says of it."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from support.account import Account
from support.hasty import HastyClock
from support.inside import told
from support.project import connection, export, segment, source

from reconciler.core.plan import Action
from reconciler.core.record import RunStatus
from reconciler.flow.session import Session
from reconciler.flow.status import Asked, overview
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches
from reconciler.state import history
from reconciler.timetable import scheduled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.model import Schedule
    from reconciler.core.record import ExportRun
    from reconciler.core.status import StatusRow

MORNING = {"every": "day", "at": ["06:00"], "timezone": "Europe/Madrid"}
MONDAYS = {"every": "week", "on": ["monday"], "at": ["06:00"], "timezone": "Europe/Madrid"}
SCHEDULED = {"schedule": MORNING}
MORNING_SAID = "every day at 06:00 (Europe/Madrid)"
HOUR = dt.timedelta(hours=1)


class SetClock(HastyClock):
    """Stands still at a time of day that the test sets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.time = dt.datetime.fromisoformat(text)

    def now(self) -> dt.datetime:
        """Give the time that was set."""
        return self.time.astimezone(dt.UTC)


class Office:
    """An account whose project has exports by schedule, and a clock to set."""

    def __init__(self, account: Account) -> None:
        self.account, self.project = account, account.project
        self.clock = SetClock("2026-11-23T06:05+01:00")
        self.project.clock = self.clock
        self.people("blue", "green")

    def declare(self, exports: dict[str, dict[str, Any]], where: str = "member = 'Y'") -> None:
        """Let these be the exports, each with a list of its own name."""
        self.project.declare(
            connection(url=self.account.server.url, fields=("Email", "FirstName")),
            source(),
            segment("everybody", where),
            *(
                export(name, [{"name": "everybody", "list": name}], {"Email": "email", "FirstName": "first"}, **spec)
                for name, spec in exports.items()
            ),
        )

    def people(self, *names: str) -> None:
        """Let these be the profiles."""
        rows = [(name, f"{name}@example.com", name.title(), "Y", "2020-01-01") for name in names]
        self.project.people(("id", "email", "first", "member", "since"), rows)

    def run(self, at: str, *exports: str, trigger: str = "schedule") -> dict[str, ExportRun]:
        """Run once at a time, and give what came of each export."""
        self.clock.time = dt.datetime.fromisoformat(at)
        return {done.export: done for done in self.project.apply(*exports, trigger=trigger)[1].exports}

    def status(self, at: str = "") -> dict[str, StatusRow]:
        """Give the rows of `status`."""
        self.clock.time = dt.datetime.fromisoformat(at) if at else self.clock.time
        shop = self.project.shop()
        declarations = shop.declarations()
        with shop.recorded(declarations) as ledger:
            rows, _ = overview(declarations, ledger, Asked(self.clock.now(), scheduled))
        return {row.export: row for row in rows}

    def members(self, title: str = "news") -> set[str]:
        """Give who is on a list, by name."""
        return {address.partition("@")[0] for address in self.account.world.members(title)}


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as running:
        yield running


@pytest.fixture
def office(server: Sandbox, tmp_path: Path) -> Office:
    return Office(Account(server, tmp_path))


def ran(done: dict[str, ExportRun]) -> set[str]:
    return {name for name, outcome in done.items() if outcome.status is RunStatus.SUCCESSFUL}


def test_a_fresh_state_is_due_at_once_and_then_waits_for_its_time(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    assert ran(office.run("2026-11-22T15:00+01:00")) == {"news"}
    office.people("blue", "green", "grey")
    (done,) = office.run("2026-11-23T05:59+01:00").values()
    assert (done.status, done.action) == (RunStatus.SKIPPED, "skipped")
    assert done.reasons == ("not due: next on Mon 23 Nov 06:00 (Europe/Madrid)",)
    assert office.members() == {"blue", "green"}
    assert ran(office.run("2026-11-23T06:00+01:00")) == {"news"}
    assert office.members() == {"blue", "green", "grey"}


def test_a_plan_says_the_same_of_what_is_not_due(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-23T06:05+01:00")
    (planned,) = office.project.plan(trigger="schedule").exports
    assert planned.action is Action.SKIPPED
    assert [reason.message for reason in planned.reasons] == ["not due: next on Tue 24 Nov 06:00 (Europe/Madrid)"]
    _, said = told(office.account, "plan", "--trigger", "schedule")
    assert "skipped: not due: next on Tue 24 Nov 06:00 (Europe/Madrid)" in said
    assert office.project.plan(trigger="merge").exports[0].action is Action.NONE


def test_a_cron_that_is_late_or_skipped_days_is_made_up_for_once(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-20T06:05+01:00")
    office.people("blue")
    assert ran(office.run("2026-11-23T22:40+01:00")) == {"news"}
    assert ran(office.run("2026-11-23T22:41+01:00")) == set()
    office.people("blue", "green")
    assert ran(office.run("2026-11-24T06:00+01:00")) == {"news"}


def test_two_exports_have_each_their_own_time(office: Office) -> None:
    office.declare({"news": SCHEDULED, "weekly": {"schedule": MONDAYS}, "always": {}})
    assert ran(office.run("2026-11-23T06:05+01:00")) == {"news", "weekly", "always"}
    office.people("blue")
    assert ran(office.run("2026-11-24T05:00+01:00")) == {"always"}
    assert ran(office.run("2026-11-24T06:10+01:00")) == {"news"}
    done = office.run("2026-11-25T06:10+01:00")
    assert done["weekly"].reasons == ("not due: next on Mon 30 Nov 06:00 (Europe/Madrid)",)
    assert office.members("weekly") == {"blue", "green"}
    assert ran(office.run("2026-11-30T06:10+01:00")) == {"weekly"}
    assert office.members("weekly") == {"blue"}


def test_a_run_that_failed_stays_due(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-22T06:05+01:00")
    office.people("grey")
    office.account.behave(Fault("500-before", method="POST", path=None, count=None))
    assert office.run("2026-11-23T06:05+01:00")["news"].status is RunStatus.FAILED
    row = office.status("2026-11-23T07:00+01:00")["news"]
    assert (row.status, row.due) == ("Failed", True)
    assert row.overdue == dt.datetime.fromisoformat("2026-11-23T06:00+01:00")
    assert row.late == HOUR
    assert row.refreshed is not None
    assert row.refreshed.date() == dt.date(2026, 11, 22)
    office.account.behave()
    assert ran(office.run("2026-11-23T07:05+01:00")) == {"news"}
    assert not office.status()["news"].due
    assert office.members() == {"grey"}


def test_a_run_that_was_blocked_or_canceled_stays_due(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-22T06:05+01:00")
    (office.project.root / "people.csv").write_text("id,email,first,member,since\n")
    assert office.run("2026-11-23T06:05+01:00")["news"].action == "blocked"
    assert office.members() == {"blue", "green"}
    office.people("grey")
    office.project.stop = lambda: True
    assert office.run("2026-11-23T06:10+01:00")["news"].status is RunStatus.CANCELED
    office.project.stop = lambda: False
    assert ran(office.run("2026-11-23T06:15+01:00")) == {"news"}
    assert ran(office.run("2026-11-23T06:20+01:00")) == set()


@pytest.mark.parametrize(("trigger", "named"), [("demand", ("news",)), ("demand", ()), ("merge", ())])
def test_a_run_by_hand_or_on_merge_counts(office: Office, trigger: str, named: tuple[str, ...]) -> None:
    office.declare({"news": SCHEDULED, "weekly": {"schedule": MONDAYS}})
    office.run("2026-11-22T06:05+01:00")
    office.people("grey")
    assert "news" in ran(office.run("2026-11-23T06:02+01:00", *named, trigger=trigger))
    office.people("grey", "blue")
    assert ran(office.run("2026-11-23T06:05+01:00")) == ({"weekly"} if named else set())


def test_what_no_schedule_runs_is_never_due(office: Office) -> None:
    office.declare(
        {
            "by-hand": {"triggers": []},
            "by-merge": {"triggers": ["merge"], "schedule": MORNING},
            "asleep": {"suspended": True, "schedule": MORNING},
        }
    )
    done = office.run("2026-11-23T06:05+01:00")
    assert {outcome.status for outcome in done.values()} == {RunStatus.SKIPPED}
    assert done["by-hand"].reasons == ("does not run on schedule",)
    rows = office.status()
    assert {(row.due, row.next_due, row.overdue) for row in rows.values()} == {(False, None, None)}
    assert [rows[name].status for name in ("by-hand", "by-merge", "asleep")] == ["Not started"] * 2 + ["Suspended"]


def test_a_new_export_waits_for_its_first_time(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-23T06:05+01:00")
    office.declare({"news": SCHEDULED, "weekly": {"schedule": MONDAYS, "triggers": ["schedule"]}})
    office.run("2026-11-25T12:00+01:00", trigger="merge")
    assert office.run("2026-11-26T06:05+01:00")["weekly"].reasons == (
        "not due: next on Mon 30 Nov 06:00 (Europe/Madrid)",
    )
    assert office.status()["weekly"].status == "Not started"
    assert "weekly" in ran(office.run("2026-11-30T06:05+01:00"))


@pytest.mark.parametrize(
    ("zone", "at", "midnight"),
    [
        ("Europe/Madrid", "02:30", "2026-03-29T00:00+01:00"),
        ("Europe/Madrid", "02:30", "2026-10-25T00:00+02:00"),
        ("Australia/Lord_Howe", "02:15", "2026-10-04T00:00+10:30"),
        ("Australia/Lord_Howe", "01:45", "2026-04-05T00:00+11:00"),
    ],
)
def test_the_night_in_which_clocks_are_set_has_one_run(office: Office, zone: str, at: str, midnight: str) -> None:
    office.declare({"news": {"schedule": {"every": "day", "at": [at], "timezone": zone}}})
    office.run(midnight)
    begin = office.clock.time
    runs: list[str] = []
    for tick in range(1, 11):
        office.people("blue", f"green{tick}")
        runs += ran(office.run((begin + tick * HOUR / 2).isoformat()))
    assert runs == ["news"]
    assert office.status()["news"].next_due == next(scheduled(_schedule(office), office.clock.time))


def _schedule(office: Office) -> Schedule:
    (declared,) = office.project.shop().declarations().exports.values()
    assert declared.schedule is not None
    return declared.schedule


def test_an_export_never_shows_a_misleading_skipped(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "RUNS_KEPT", 3)
    office.declare({"news": SCHEDULED, "weekly": {"schedule": MONDAYS}})
    office.run("2026-11-23T06:05+01:00")
    for hour in range(7, 15):
        office.run(f"2026-11-23T{hour:02}:00+01:00")
    row = office.status("2026-11-23T15:00+01:00")["weekly"]
    assert (row.status, row.due, row.overdue) == ("Successful", False, None)
    assert row.refreshed is not None
    assert row.refreshed.replace(second=0, microsecond=0) == dt.datetime.fromisoformat("2026-11-23T06:05+01:00")
    assert row.next_due == dt.datetime.fromisoformat("2026-11-30T06:00+01:00")
    assert row.skipped == "not due: next on Mon 30 Nov 06:00 (Europe/Madrid)"
    assert office.run("2026-11-29T12:00+01:00")["weekly"].status is RunStatus.SKIPPED
    late = office.status("2026-11-30T08:00+01:00")["weekly"]
    assert (late.status, late.due, late.late) == ("Successful", True, 2 * HOUR)


def test_status_is_read_by_people_and_programs(office: Office) -> None:
    office.declare({"news": SCHEDULED, "weekly": {"schedule": MONDAYS}})
    office.run("2026-11-23T06:05+01:00")
    office.clock.time = dt.datetime.fromisoformat("2026-11-24T08:15+01:00")
    code, said = told(office.account, "status")
    assert code == 0
    news, weekly = (line for line in said.splitlines() if line.startswith(("news", "weekly")))
    cells = [cell.strip() for cell in news.split("   ") if cell.strip()]
    assert cells[3:] == ["Successful", "2", "2026-11-23 05:05 UTC", "now", "2 h 15 min", MORNING_SAID]
    assert "2026-11-30 06:00 +01:00" in weekly
    rows = {row["name"]: row for row in json.loads(told(office.account, "status", "--output", "json")[1])["exports"]}
    assert rows["news"]["due"] is True
    assert rows["news"]["overdue"] == "2026-11-24T06:00:00+01:00"
    assert rows["news"]["overdue_seconds"] == 8100
    assert rows["news"]["next_due"] == "2026-11-25T06:00:00+01:00"
    assert rows["news"]["refreshed"].startswith("2026-11-23T0")
    assert (rows["weekly"]["due"], rows["weekly"]["overdue"]) == (False, None)


def test_a_schedule_passes_over_a_source_that_has_not_changed(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-23T06:05+01:00")
    table = office.project.root / "people.csv"
    os.utime(table, (1, 1))
    (done,) = office.run("2026-11-24T06:05+01:00").values()
    assert (done.status, done.action) == (RunStatus.SKIPPED, "skipped")
    assert done.reasons == ("unchanged: nothing that it reads has changed since 2026-11-23 05:05 UTC",)
    row = office.status()["news"]
    assert (row.status, row.due, row.skipped) == ("Successful", False, done.reasons[0])
    assert ran(office.run("2026-11-24T07:00+01:00", trigger="merge")) == {"news"}
    assert ran(office.run("2026-11-24T07:01+01:00", trigger="demand")) == {"news"}
    table.write_text(table.read_text().replace("Blue", "Grey"))
    assert office.run("2026-11-25T06:05+01:00")["news"].updated == 1


def test_whatever_else_changed_is_looked_at(office: Office) -> None:
    office.declare({"news": SCHEDULED, "other": {}})
    office.run("2026-11-23T06:05+01:00")
    assert ran(office.run("2026-11-24T06:05+01:00")) == set()
    office.declare({"news": SCHEDULED | {"nulls": "clear"}, "other": {}})
    assert ran(office.run("2026-11-25T06:05+01:00")) == {"news", "other"}
    assert ran(office.run("2026-11-26T06:05+01:00")) == set()
    told(office.account, "forget", "blue@example.com", "--yes")
    assert ran(office.run("2026-11-27T06:05+01:00")) == {"news", "other"}
    assert office.members() == {"green"}


def test_what_a_run_left_undone_is_taken_up_although_the_source_is_the_same(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-23T06:05+01:00")
    office.people("blue", "green", "grey")
    office.account.behave(Fault("500-after", method="POST", path="/contact*", count=None))
    assert office.run("2026-11-24T06:05+01:00")["news"].status is RunStatus.FAILED
    office.account.behave()
    office.people("blue", "green")
    assert ran(office.run("2026-11-24T07:05+01:00")) == {"news"}
    assert office.members() == {"blue", "green"}


def test_what_was_found_at_autopilot_is_mended_although_the_source_is_the_same(office: Office) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-23T06:05+01:00")
    (list_id,) = office.account.world.lists_titled("news")
    office.account.world.remove_member(list_id, "blue@example.com")
    assert ran(office.run("2026-11-23T06:10+01:00")) == set()
    office.clock.time = dt.datetime.fromisoformat("2026-11-24T06:05+01:00")
    with Session(office.project.shop(), lock_timeout=0) as session:
        session.plan((), "schedule", refresh=True)  # and nobody agreed to it
    assert ran(office.run("2026-11-24T06:10+01:00")) == {"news"}
    assert office.members() == {"blue", "green"}


def test_a_segment_that_depends_on_the_day_is_always_read(office: Office) -> None:
    office.declare({"news": SCHEDULED}, "CAST(since AS DATE) <= CURRENT_DATE")
    office.run("2026-11-23T06:05+01:00")
    assert ran(office.run("2026-11-24T06:05+01:00")) == {"news"}


@pytest.mark.parametrize("sign", ["_temporary", "_refreshing"])
def test_a_source_that_is_being_refreshed_removes_nobody(office: Office, sign: str) -> None:
    office.declare({"news": SCHEDULED})
    office.run("2026-11-23T06:05+01:00")
    office.people("blue")
    (office.project.root / sign).mkdir()
    (done,) = office.run("2026-11-24T06:05+01:00").values()
    assert done.status is RunStatus.FAILED
    assert "people.csv: is being refreshed" in done.reasons[0]
    assert office.members() == {"blue", "green"}
    (office.project.root / sign).rmdir()
    assert ran(office.run("2026-11-24T06:10+01:00")) == {"news"}
    assert office.members() == {"blue"}
