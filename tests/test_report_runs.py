"""The tables of `status`, `history` and `show`, word for word."""

from __future__ import annotations

import datetime as dt
import json

from reconciler.core.record import ExportRun, Reject, Run, RunStatus
from reconciler.core.status import ConnectionStatus, StatusRow
from reconciler.report.runs import history_json, history_text, run_json, run_text, status_json, status_text

START = dt.datetime(2026, 11, 2, 7, tzinfo=dt.timezone(dt.timedelta(hours=1)))
GOLD = ExportRun(
    "gold-newsletter",
    "marketing",
    RunStatus.FAILED,
    "update",
    created=1204,
    updated=37,
    left=12,
    unchanged=16895,
    sent=1239,
    rejected=2,
    excluded={"no_consent": 118},
    reasons=("Autopilot answered 500 six times",),
)
QUIET = ExportRun("win-back", "marketing", RunStatus.SUCCESSFUL, "none")
RUN = Run(
    "20261102-1", START, START + dt.timedelta(seconds=61), "merge", RunStatus.FAILED, "c0ffee" * 8, 25, (GOLD, QUIET)
)
CUT = Run("20261101-1", START - dt.timedelta(days=1), None, "demand", RunStatus.INTERRUPTED, "beef", 7, (QUIET,))


def reject(number: int, reason: str) -> Reject:
    return Reject("marketing", "gold-newsletter", number.to_bytes(2, "big") * 8, reason)


def test_status_shows_what_asks_for_attention_first() -> None:
    rows = (
        StatusRow("win-back", "marketing", "autopilot", "Successful", 4210, START, "daily at 06:00 Europe/Madrid"),
        StatusRow("old", "", "", "Detached"),
        StatusRow("gold", "marketing", "autopilot", "Failed", 18101, START, "", "Autopilot answered 500", 12),
    )
    assert status_text(rows, (ConnectionStatus("marketing", "Marketing", 18101, 100_000),)) == (
        """\
EXPORT     CONNECTION   TYPE        STATUS       PEOPLE   PENDING   REFRESHED              SCHEDULE
gold       marketing    autopilot   Failed       18,101        12   2026-11-02 06:00 UTC
old                                 Detached          0             never
win-back   marketing    autopilot   Successful    4,210             2026-11-02 06:00 UTC   daily at 06:00 Europe/Madrid

gold: Autopilot answered 500

Marketing (marketing): 18,101 of 100,000 people, 18 %
"""
    )


def test_status_leaves_out_columns_that_say_nothing() -> None:
    assert status_text((StatusRow("a", "c", "autopilot", "Not started"),)) == (
        """\
EXPORT   CONNECTION   TYPE        STATUS        PEOPLE   REFRESHED
a        c            autopilot   Not started        0   never
"""
    )
    assert status_text(()) == "No exports are declared.\n"


def test_history_is_one_line_a_run() -> None:
    assert history_text((RUN, CUT)) == (
        """\
RUN          STARTED                TRIGGER   STATUS        EXPORTS    SENT   LEFT   REJECTED   REQUESTS   TIME
20261102-1   2026-11-02 06:00 UTC   merge     Failed              2   1,239     12          2         25   61 s
20261101-1   2026-11-01 06:00 UTC   demand    Interrupted         1       0      0          0          7
"""
    )
    assert history_text(()) == "No runs yet.\n"


def test_history_of_one_export_is_its_own() -> None:
    assert history_text((RUN,), export="win-back").splitlines()[1] == (
        "20261102-1   2026-11-02 06:00 UTC   merge     Successful         1      0      0          0         25   61 s"
    )


def test_show_tells_why_people_were_rejected_and_names_nobody() -> None:
    refused = (reject(1, "bad address"), reject(2, "bad address"), reject(3, "<b>no</b>\x1b[2J"))
    assert run_text(RUN, refused) == (
        """\
Run 20261102-1: Failed. 25 requests in 61 s. The next run takes up what is left.
Started 2026-11-02 06:00 UTC, trigger merge, plan c0ffeec0ffee.

  Failed        gold-newsletter: 1,204 new, 37 changed, 12 left, 16,895 unchanged, 1,239 sent, 2 rejected
                left out: 118 without consent
                Autopilot answered 500 six times
  Successful    win-back: nothing to do

REJECTED   REASON
       2   bad address
       1   <b>no</b>\\x1b[2J

PERSON         EXPORT            REASON
000100010001   gold-newsletter   bad address
000200020002   gold-newsletter   bad address
000300030003   gold-newsletter   <b>no</b>\\x1b[2J
"""
    )


def test_show_lists_a_few_people_and_counts_the_rest() -> None:
    refused = [reject(number, "bad address") for number in range(1050)]
    short = run_text(RUN, refused)
    assert short.count("gold-newsletter   bad address") == 50
    assert short.endswith("\n1,000 more; `--output json` gives all of them.\n")
    assert run_text(RUN, refused, verbose=True).count("gold-newsletter   bad address") == 1050
    assert len(json.loads(run_json(RUN, refused))["rejects"]) == 1050


def test_a_person_is_a_digest_and_a_time_has_its_zone_in_json() -> None:
    shown = json.loads(run_json(RUN, [reject(1, "bad address")]))
    assert shown["rejects"] == [
        {"connection": "marketing", "export": "gold-newsletter", "person": "0001" * 8, "reason": "bad address"}
    ]
    assert shown["run"] == json.loads(history_json((RUN,)))["runs"][0]
    assert shown["run"]["started"] == "2026-11-02T07:00:00+01:00"
    assert shown["run"]["seconds"] == 61
    assert shown["run"]["exports"][0]["excluded"]["no_consent"] == 118
    assert shown["run"]["exports"][1]["excluded"]["no_consent"] == 0


def test_status_as_json_says_nothing_by_null() -> None:
    rows = (StatusRow("old", "", "", "Detached"),)
    shown = json.loads(status_json(rows, (ConnectionStatus("marketing", "Marketing", 5, 100),)))
    assert shown["exports"][0]["connection"] is None
    assert shown["exports"][0]["refreshed"] is None
    assert shown["connections"][0]["profiles"] == {"recorded": 5, "limit": 100}
