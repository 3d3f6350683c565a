"""The text of a plan and of an apply, word for word."""

from __future__ import annotations

import datetime as dt

from reconciler.core.diagnostics import Diagnostic, Severity, Where
from reconciler.core.plan import (
    Action,
    ConnectionPlan,
    Counts,
    ExportPlan,
    Plan,
    Reason,
    Requests,
    SegmentPlan,
)
from reconciler.core.record import ExportRun, Run, RunStatus
from reconciler.report.applied import apply_text
from reconciler.report.text import plan_text

NAME = "autopilot-marketing"
BLOCKED = ExportPlan(
    "lapsed-customers",
    NAME,
    Action.BLOCKED,
    (
        Reason(
            "consent",
            "consent does not cover Phone",
            Where("exports/lapsed.yaml", 12, 5),
            "an administrator adds it at",
            Where("exports/connections/marketing.yaml", 14, 13),
        ),
    ),
)
GOLD = ExportPlan(
    "gold-newsletter",
    NAME,
    Action.UPDATE,
    profiles=Counts(desired=18136, create=1204, update=37, unchanged=16895, leave=12),
    excluded={"no_email": 31, "invalid_email": 4, "no_consent": 118},
    segments=(
        SegmentPlan("home-owners", "home-owners", 12260, 801, 3),
        SegmentPlan("large-families", "Large families", 4410, 403, 9),
    ),
)
WIN_BACK = ExportPlan("win-back", NAME, Action.NONE)


def marketing(
    *exports: ExportPlan,
    people: int = 18101,
    requests: Requests = Requests(),  # noqa: B008  # frozen
    bulk_lists: bool | None = True,
    otherwise: int = 0,
) -> ConnectionPlan:
    return ConnectionPlan(
        NAME, "Autopilot, newsletter account", people, 100_000, 20, requests, bulk_lists, otherwise, exports
    )


def skipped(name: str, message: str, connection: str = NAME, where: Where | None = None, mend: str = "") -> ExportPlan:
    return ExportPlan(name, connection, Action.SKIPPED, (Reason("skipped", message, where, mend),))


def test_the_plan_of_the_interface_has_the_worst_first_and_every_figure() -> None:
    plan = Plan((marketing(WIN_BACK, GOLD, BLOCKED, requests=Requests(bulk=13, removals=12)),))
    assert plan_text(plan) == (
        """\
Autopilot, newsletter account (autopilot-marketing): 18,101 of 100,000 people, 18 %

  ! lapsed-customers   blocked: consent does not cover Phone   exports/lapsed.yaml:12:5
                       an administrator adds it at             exports/connections/marketing.yaml:14:13
  ~ gold-newsletter    + 1,204 new   ~ 37 changed   - 12 leave   = 16,895 unchanged
      home-owners      12,260   + 801   - 3
      Large families    4,410   + 403   - 9
      left out: 118 without consent, 31 without an address, 4 with a bad address
  = win-back           no changes

13 requests in bulk and 12 removals: at least 1.3 s at 20 requests a second. 1 export to change, 1 blocked.
"""
    )


def test_no_changes_is_said_in_one_sentence() -> None:
    assert plan_text(Plan((marketing(WIN_BACK, people=1),))) == (
        """\
Autopilot, newsletter account (autopilot-marketing): 1 of 100,000 people, under 1 %

  = win-back   no changes

No changes. Autopilot has what is declared.
"""
    )


def test_a_project_without_exports_says_so() -> None:
    assert plan_text(Plan(())) == "No exports are declared.\n"


FIRST = ExportPlan(
    "gold-newsletter",
    NAME,
    Action.CREATE,
    profiles=Counts(desired=1204, create=1204),
    excluded={"no_email": 1, "duplicate": 1, "invalid_value": 1, "suppressed": 3},
    segments=(SegmentPlan("vip", "VIP", 13, 13, 0, new=True), SegmentPlan("all", "All", 1204, 1204, 0, new=True)),
    notes=("a list titled VIP exists already and is not ours; it is added to",),
)


def test_a_first_run_says_what_its_count_of_requests_rests_on() -> None:
    requests = Requests(lists=3, checks=1, bulk=26)
    assert plan_text(Plan((marketing(FIRST, people=1204, requests=requests, bulk_lists=None, otherwise=1217),))) == (
        """\
Autopilot, newsletter account (autopilot-marketing): 1,204 of 100,000 people, 1 %

  + gold-newsletter   + 1,204 new
      VIP      13      + 13   (new list)
      All   1,204   + 1,204   (new list)
      left out: 1 without an address, 1 twin of another profile, 1 with a value of the wrong type, 3
        suppressed
      a list titled VIP exists already and is not ours; it is added to

26 requests in bulk, 3 list calls and 1 check: at least 1.5 s at 20 requests a second. Counts on bulk requests
carrying their list, which the first of them finds out; if not, 1,217 requests and 61 s. 1 export to create.
"""
    )


def test_one_request_per_membership_is_said_when_it_is_known() -> None:
    text = plan_text(Plan((marketing(FIRST, requests=Requests(single=1204, joins=13), bulk_lists=False),)))
    assert text.endswith(
        """
1,204 single requests and 13 memberships: at least 61 s at 20 requests a second. Counts one request per
membership: bulk requests do not carry their list. 1 export to create.
"""
    )


def test_a_retired_export_says_who_goes_and_who_stays() -> None:
    gone = ExportPlan(
        "summer",
        NAME,
        Action.RETIRE,
        profiles=Counts(leave=1204),
        segments=(SegmentPlan("a", "A", 0, 0, 1204), SegmentPlan("b", "B", 0, 0, 7)),
    )
    stays = ExportPlan("winter", NAME, Action.RETIRE, profiles=Counts(kept=1))
    assert plan_text(Plan((marketing(gone, stays, people=0, requests=Requests(removals=1211)),))) == (
        """\
Autopilot, newsletter account (autopilot-marketing): 0 of 100,000 people, 0 %

  - summer   retired: takes 1,204 people off 2 lists
      A   - 1,204
      B       - 7
  - winter   retired: 1 person stays where it is

1,211 removals: at least 61 s at 20 requests a second. 2 exports to retire.
"""
    )


def test_skipped_and_detached_exports_say_why_and_where() -> None:
    plan = Plan(
        (marketing(skipped("weekly", "not due before Monday 06:00"), WIN_BACK),),
        (
            skipped("old-news", "it has no connection", "", Where("exports/old.yaml", 3, 3)),
            skipped("older", "suspended", "", Where("exports/older.yaml", 9, 3), "set suspended: false"),
        ),
    )
    assert plan_text(plan) == (
        """\
Autopilot, newsletter account (autopilot-marketing): 18,101 of 100,000 people, 18 %

  = win-back   no changes
  . weekly     skipped: not due before Monday 06:00

Without a connection

  . old-news   skipped: it has no connection   exports/old.yaml:3:3
  . older      skipped: suspended   exports/older.yaml:9:3
               set suspended: false

No changes in the exports that run; 3 skipped.
"""
    )


def test_nothing_but_detached_exports_is_nothing_to_do() -> None:
    assert plan_text(Plan((), (skipped("old-news", "it has no connection", ""),))) == (
        """\
Without a connection

  . old-news   skipped: it has no connection

Nothing to do: 1 export skipped.
"""
    )


def test_many_exports_that_say_the_same_are_counted_unless_asked_for() -> None:
    quiet = [ExportPlan(f"export-{n}", NAME, Action.NONE) for n in range(48)]
    late = [skipped(f"late-{n}", "not due", where=Where("exports/late.yaml", n + 1)) for n in range(6)]
    plan = Plan((marketing(*quiet, *late),))
    assert "  = 48 exports   no changes\n  . 6 exports    skipped: not due\n" in plan_text(plan)
    verbose = plan_text(plan, verbose=True)
    assert all(export.name in verbose for export in plan.exports)
    assert "exports/late.yaml:6:1" in verbose


def test_lists_without_changes_are_counted_when_they_are_many() -> None:
    segments = tuple(SegmentPlan(f"s{n}", f"List {n}", 5, int(n == 3), 0) for n in range(9))
    plan = Plan((marketing(ExportPlan("many", NAME, Action.UPDATE, profiles=Counts(create=1), segments=segments)),))
    assert "      List 3   5   + 1\n      8 more lists without changes\n" in plan_text(plan)
    assert "List 8" in plan_text(plan, verbose=True)


def test_every_reason_of_a_blocked_export_has_its_line_and_what_it_would_do_is_shown() -> None:
    reasons = (
        Reason("removals", "300 of 1,000 people leave, 20 % is allowed", Where("exports/a.yaml", 3, 1)),
        Reason("updates", "600 of 1,000 people change, 50 % is allowed"),
    )
    counts = Counts(desired=700, update=600, unchanged=100, leave=300, kept=2)
    plan = Plan((marketing(ExportPlan("a", NAME, Action.BLOCKED, reasons, counts)),))
    assert plan_text(plan).split("\n\n", 1)[1] == (
        """\
  ! a   blocked: 300 of 1,000 people leave, 20 % is allowed   exports/a.yaml:3:1
                 600 of 1,000 people change, 50 % is allowed
      would be: ~ 600 changed   - 300 leave   = 100 unchanged   = 2 kept

1 export blocked.
"""
    )


def test_a_long_reason_is_broken_between_words_and_its_place_stands_below() -> None:
    reason = Reason("rule", "words " * 30, Where("exports/" + "long-" * 12 + ".yaml", 3, 1))
    text = plan_text(Plan((marketing(ExportPlan("a", NAME, Action.BLOCKED, (reason,))),)), width=60)
    assert max(len(line) for line in text.splitlines() if "long-" not in line) <= 60
    assert text.count("words") == 30
    assert f"\n          {reason.where}\n" in text


def test_a_rename_is_shown_also_when_nobody_moves() -> None:
    renamed = ExportPlan("new", NAME, Action.UPDATE, profiles=Counts(desired=5, unchanged=5), renamed_from="old-name")
    settings = ExportPlan("set", NAME, Action.UPDATE)
    text = plan_text(Plan((marketing(renamed, settings),)))
    assert "  ~ new   = 5 unchanged   (was old-name)\n" in text
    assert "  ~ set   nobody moves; only the record changes\n" in text
    assert text.endswith("\nNothing is sent. 2 exports to change.\n")


def test_several_connections_have_a_cost_each_and_the_worst_comes_first() -> None:
    calm = ConnectionPlan("calm", "calm", 100_001, 100_000, 0.5, Requests(bulk=1), exports=(GOLD,))
    plan = Plan((calm, marketing(BLOCKED, GOLD, requests=Requests(bulk=13))))
    text = plan_text(plan)
    assert text.index("lapsed-customers") < text.index("calm: 100,001 of 100,000 people, 101 %")
    assert text.endswith(
        """
autopilot-marketing: 13 requests in bulk: at least 0.7 s at 20 requests a second.
calm: 1 request in bulk: at least 2.0 s at 0.5 requests a second.
2 exports to change, 1 blocked.
"""
    )


def test_warnings_come_before_everything() -> None:
    warning = Diagnostic(Where("exports/a.yaml", 2, 3), "unused", "nothing uses it", Severity.WARNING)
    text = plan_text(Plan((marketing(WIN_BACK),), diagnostics=(warning,)))
    assert text.startswith("exports/a.yaml:2:3: warning: [unused] nothing uses it\n\nAutopilot,")


def test_colours_mark_what_is_blocked_changed_and_new() -> None:
    text = plan_text(Plan((marketing(BLOCKED, GOLD, FIRST),)), color=True)
    assert "\x1b[1;31m  ! \x1b[0m" in text
    assert "\x1b[33m  ~ \x1b[0m" in text
    assert "\x1b[32m  + \x1b[0m" in text


START = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)


def ran(status: RunStatus, *exports: ExportRun, seconds: float | None = 1.6) -> Run:
    ended = None if seconds is None else START + dt.timedelta(seconds=seconds)
    return Run("20261102-1", START, ended, "demand", status, "c0ffee", 25, exports)


def test_an_apply_tells_what_became_of_each_export_and_what_to_do() -> None:
    plan = Plan((marketing(BLOCKED, GOLD, WIN_BACK),))
    run = ran(
        RunStatus.FAILED,
        ExportRun("win-back", NAME, RunStatus.SUCCESSFUL, "none"),
        ExportRun(
            "gold-newsletter",
            NAME,
            RunStatus.FAILED,
            "update",
            left=12,
            unchanged=16895,
            sent=1239,
            rejected=2,
            reasons=("Autopilot answered 500 six times",),
        ),
        ExportRun("lapsed-customers", NAME, RunStatus.SKIPPED, "blocked", reasons=("said otherwise",)),
    )
    assert apply_text(plan, run) == (
        """\
Autopilot, newsletter account (autopilot-marketing)

  Skipped       lapsed-customers   blocked: consent does not cover Phone   exports/lapsed.yaml:12:5
                                   an administrator adds it at   exports/connections/marketing.yaml:14:13
  Failed        gold-newsletter    1,239 sent   12 left   2 rejected   16,895 unchanged
                                   Autopilot answered 500 six times
  Successful    win-back           nothing to do

Run 20261102-1: Failed. 25 requests in 1.6 s. 1 export was blocked. The next run takes up what is left. 2
people were rejected; `reconciler show 20261102-1` says why.
"""
    )


def test_an_apply_that_went_well_is_short() -> None:
    done = ExportRun("gold-newsletter", NAME, RunStatus.SUCCESSFUL, "create", created=1204, sent=1204)
    assert apply_text(Plan((marketing(FIRST),)), ran(RunStatus.SUCCESSFUL, done)) == (
        """\
Autopilot, newsletter account (autopilot-marketing)

  Successful    gold-newsletter   1,204 sent

Run 20261102-1: Successful. 25 requests in 1.6 s.
"""
    )


def test_an_apply_without_exports_or_end_still_says_what_it_was() -> None:
    detached = ExportRun("old", "", RunStatus.SKIPPED, "skipped", reasons=("it has no connection",))
    text = apply_text(Plan(()), ran(RunStatus.CANCELED, detached, seconds=None))
    assert text == (
        """\
Without a connection

  Skipped       old   it has no connection

Run 20261102-1: Canceled. 25 requests. The next run takes up what is left.
"""
    )
