"""The plan as a comment on a pull request: word for word, and what is cut when it is too long."""

from __future__ import annotations

import re

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
from reconciler.report.markdown import LIMIT, plan_markdown

CUT = r"Cut to fit a comment:\*\* \d+ blocked exports, 300 rows of the table and 300 exports in the details not shown;"
BLOCKED = ExportPlan(
    "lapsed-customers",
    "autopilot-marketing",
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
    "autopilot-marketing",
    Action.UPDATE,
    profiles=Counts(desired=18136, create=1204, update=37, unchanged=16895, leave=12, kept=1),
    excluded={"no_email": 31, "no_consent": 118},
    segments=(
        SegmentPlan("home-owners", "home-owners", 12260, 801, 3),
        SegmentPlan("large-families", "Large families", 4410, 403, 0, new=True),
    ),
    renamed_from="gold",
    notes=("a note",),
)
WIN_BACK = ExportPlan("win-back", "autopilot-marketing", Action.NONE)
OLD = ExportPlan("old", "", Action.SKIPPED, (Reason("detached", "it has no connection"),))


def marketing(*exports: ExportPlan, requests: Requests = Requests()) -> ConnectionPlan:  # noqa: B008  # frozen
    return ConnectionPlan(
        "autopilot-marketing", "Newsletter account", 18101, 100_000, 20, requests, bulk_lists=True, exports=exports
    )


def test_one_line_says_it_all_and_the_details_are_folded() -> None:
    plan = Plan((marketing(WIN_BACK, GOLD, BLOCKED, requests=Requests(bulk=13, removals=12)),), (OLD,))
    assert plan_markdown(plan) == (
        f"""\
<!-- reconciler:plan -->
**reconciler plan:** 1 export to change, 1 blocked. 1,204 new, 37 changed, 12 leave; 25 requests, at least 1.3 s.

- ❗ <code>lapsed-customers</code> blocked: consent does not cover Phone <code>exports/lapsed.yaml:12:5</code>, \
an administrator adds it at <code>exports/connections/marketing.yaml:14:13</code>

| Export | | New | Changed | Leave | Unchanged | Left out |
|---|---|--:|--:|--:|--:|--:|
| <code>lapsed-customers</code> | blocked |  |  |  |  |  |
| <code>gold-newsletter</code> | update | 1,204 | 37 | 12 | 16,895 | 149 |

<details><summary>Newsletter account (autopilot-marketing): 18,101 of 100,000 people, 18 %</summary>

13 requests in bulk and 12 removals: at least 1.3 s at 20 requests a second.

- <code>lapsed-customers</code> blocked: consent does not cover Phone
- <code>gold-newsletter</code> (was <code>gold</code>) (update): 18,136 people
  - list “home-owners”: 12,260 members, 801 to add, 3 to remove
  - list “Large families”: 4,410 members, 403 to add, new list
  - 1 person kept
  - left out: 118 without consent, 31 without an address
  - a note
- <code>win-back</code> has no changes

</details>

<details><summary>Without a connection</summary>

- <code>old</code> skipped: it has no connection

</details>

<sub>Checksum of the plan: <code>{plan.checksum}</code></sub>
"""
    )


def test_no_changes_and_a_warning_are_said_without_a_table() -> None:
    warning = Diagnostic(Where("exports/a.yaml", 100, 3), "unused", "nothing uses it", Severity.WARNING)
    comment = plan_markdown(Plan((marketing(WIN_BACK),), diagnostics=(warning,)))
    lead, warned, *_ = comment.split("\n\n")
    assert lead.endswith("**reconciler plan:** No changes. Autopilot has what is declared.")
    assert warned == "- <code>exports/a.yaml:100:3</code> warning: nothing uses it"
    assert "|" not in comment


def test_rows_name_their_connection_when_there_are_several() -> None:
    other = ConnectionPlan("other", "Other", 1, 2, 20, exports=(ExportPlan("a", "other", Action.RETIRE),))
    comment = plan_markdown(Plan((marketing(GOLD), other)))
    assert "| <code>a</code> | <code>other</code> | retire |" in comment
    assert "| <code>gold-newsletter</code> | <code>autopilot-marketing</code> | update |" in comment


def test_an_export_with_very_many_lists_names_some_and_counts_the_rest() -> None:
    segments = tuple(SegmentPlan(f"s{n}", f"List {n}.", 5, 1, 0) for n in range(60))
    comment = plan_markdown(Plan((marketing(ExportPlan("a", "c", Action.UPDATE, segments=segments)),)))
    assert "List 49." in comment
    assert "List 50." not in comment
    assert "\n  - 10 more lists\n" in comment


def test_a_comment_that_is_cut_says_first_what_is_missing_and_keeps_the_worst() -> None:
    reason = Reason("rule", "why " * 200)
    blocked = tuple(ExportPlan(f"blocked-{n}", "c", Action.BLOCKED, (reason,)) for n in range(100))
    changed = tuple(ExportPlan(f"changed-{n}", "c", Action.UPDATE, profiles=Counts(create=1)) for n in range(200))
    quiet = tuple(ExportPlan(f"quiet-{n}", "c", Action.NONE) for n in range(1000))
    comment = plan_markdown(Plan((ConnectionPlan("c", "c", 1, 2, 20, exports=(*quiet, *changed, *blocked)),)))
    assert LIMIT - 1000 < len(comment.encode()) <= LIMIT
    told = comment.split("\n\n")[1]
    found = re.match(r"\*\*Cut to fit a comment:\*\* ([\d,]+) exports in the details not shown;", told)
    assert found is not None
    shown = comment.split("<details>")[1].count("\n- <code>")
    assert shown + int(found[1].replace(",", "")) == 1300
    assert "blocked-99" in comment
    assert "changed-199" in comment
    assert comment.rstrip().endswith("</sub>")
    assert comment.count("<details>") == comment.count("</details>")


def test_a_comment_of_nothing_but_refusals_keeps_as_many_as_fit() -> None:
    reason = Reason("rule", "<" * 300)
    blocked = tuple(ExportPlan(f"blocked-{n}", "c", Action.BLOCKED, (reason,)) for n in range(300))
    comment = plan_markdown(Plan((ConnectionPlan("c", "c", 1, 2, 20, exports=blocked),)))
    assert LIMIT - 3000 < len(comment.encode()) <= LIMIT
    assert re.search(CUT, comment)
