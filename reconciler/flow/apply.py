"""Applies: plans afresh, and carries out exactly what was planned, from the people that were judged."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from reconciler.core.errors import DestinationError, SecretMissing, Stopped
from reconciler.core.plan import Action
from reconciler.core.planning import settings
from reconciler.core.record import ExportRun, RunStatus
from reconciler.core.roster import Mode
from reconciler.flow.beside import SideBySide
from reconciler.flow.courier import Courier
from reconciler.flow.listing import establish
from reconciler.flow.outbox import Outbox
from reconciler.flow.patience import Attended, Patience
from reconciler.flow.turns import marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.digest import Digests
    from reconciler.core.plan import ExportPlan, Plan
    from reconciler.core.ports import Destination, Ledger
    from reconciler.core.record import Run
    from reconciler.core.roster import Entry
    from reconciler.flow.journal import Delivery
    from reconciler.flow.outside import Outside
    from reconciler.flow.plan import Prepared

BUSY = frozenset({Action.CREATE, Action.UPDATE, Action.RETIRE})


@dataclass(frozen=True, slots=True)
class Means:
    """What carrying out needs beside the plan: where it is recorded, what it reaches, and whether it is to end.

    `parallel` is how many connections are pushed at a time; `progress` is told on their threads.
    """

    ledger: Ledger
    outside: Outside
    digests: Digests
    stop: Callable[[], bool]
    progress: Callable[[int], None]
    parallel: int = 1


def begun(plan: Plan) -> tuple[ExportRun, ...]:
    """Give the exports that a run sets out to change, so that a run which is cut off still says which they were."""
    busy = (export for export in plan.exports if export.action in BUSY)
    return tuple(replace(_untouched(export), status=RunStatus.RUNNING) for export in busy)


def carry_out(plan: Plan, prepared: tuple[Prepared, ...], means: Means, run: Run) -> Run:
    """Push every connection that has changes, and close the run in the history. Raises StateError.

    `run` is the run as it starts. One connection that fails does not stop another; what cannot be recorded ends it all.
    """
    clock = means.outside.clock
    began = clock.monotonic()
    means.ledger.start(run)
    results: list[ExportRun] = [_untouched(export) for export in plan.idle]
    requests = 0
    for one in prepared:  # before anything runs side by side: it moves what others would look up
        if one.connection is not None and one.recorded_name != one.name:
            means.ledger.rename_connection(one.recorded_name, one.name)
    beside: SideBySide[tuple[list[ExportRun], int]] = SideBySide(means.parallel)
    each = replace(means, stop=lambda: means.stop() or beside.over())
    patience = Patience(each.stop, clock)
    work = [partial(_worked, one, each, patience) for one in prepared]
    # The longest first, so that it is not what the others have waited for in the end
    for done, sent in beside.done(work, lambda position: -prepared[position].judged.plan.seconds):
        results += done
        requests += sent
    status = _overall(results, stopped=means.stop())
    ended = run.started + timedelta(seconds=clock.monotonic() - began)  # the time of day may have been set meanwhile
    means.ledger.finish(run.id, ended=ended, status=status, requests=requests, exports=results)
    return replace(run, ended=ended, status=status, requests=requests, exports=tuple(results))


def _overall(results: list[ExportRun], *, stopped: bool) -> RunStatus:
    if stopped:
        return RunStatus.CANCELED
    failed = any(result.status is RunStatus.FAILED for result in results)
    return RunStatus.FAILED if failed else RunStatus.SUCCESSFUL


def _worked(one: Prepared, means: Means, patience: Patience) -> tuple[list[ExportRun], int]:
    """Push one connection; gives what came of each export, and the requests that it took."""
    done, sent = _connection(one, means, patience)
    still = one.connection is not None and not any(export.action in BUSY for export in one.judged.plan.exports)
    return marked(done, one.marks, means.ledger, one.name, one.stood if still else None), sent


def _connection(one: Prepared, means: Means, patience: Patience) -> tuple[list[ExportRun], int]:
    plans = one.judged.plan.exports
    if one.connection is None:
        return [_untouched(export) for export in plans], 0
    if not any(export.action in BUSY for export in plans):
        return [_untouched(export) for export in plans], 0
    if means.stop():
        return [_ended(export, RunStatus.CANCELED, "the run was stopped before it") for export in plans], 0
    try:
        destination = means.outside.destination(one.connection)
    except (DestinationError, SecretMissing) as error:
        return [_ended(export, RunStatus.FAILED, str(error)) for export in plans], 0
    with closing(destination):
        try:
            delivery = _push(one, destination, means, patience)
        except Stopped as error:
            done = [_ended(export, RunStatus.CANCELED, str(error)) for export in plans]
        except DestinationError as error:
            done = [_ended(export, RunStatus.FAILED, str(error)) for export in plans]
        else:
            done = [_result(export, one, delivery) for export in plans]
        return done, destination.requests()


def _push(one: Prepared, destination: Destination, means: Means, patience: Patience) -> Delivery:
    assert one.connection is not None
    attended = Attended(destination, patience)
    ledger, entries = means.ledger, one.judged.roster.entries
    running = [e for e in entries if e.mode is Mode.RUN and e.number not in one.judged.blocked]
    lists = establish(one.name, _wanted(one), attended, ledger, means.digests)
    missing = {slot for entry in running for slot in entry.slots if slot not in lists.ids}
    for entry in running:
        if entry.renamed_from is not None:
            ledger.rename_export(one.name, entry.renamed_from, entry.name)
        ledger.save_export(one.name, settings(entry, missing))
    courier = Courier(
        one.name,
        destination,
        ledger,
        means.outside.clock,
        lists=lists.ids,
        made=frozenset(lists.made),
        names={entry.number: entry.name for entry in entries},
        patience=patience,
        progress=means.progress,
    )
    courier.delivery.faults.extend(lists.faults)
    outbox = Outbox(
        one.judged.merge.knowing(ledger.foreign(one.name)).steps(ledger.claims(one.name)),
        lambda keys: ledger.contact_ids(one.name, keys),
        missing,
        bulk_lists=ledger.bulk_lists(one.name),
    )
    delivery = courier.deliver(outbox, one.connection.rate)
    for slot in sorted(courier.vanished):
        ledger.drop_list(one.name, slot)
    _forget_retired(one, ledger)
    return delivery


def _wanted(one: Prepared) -> list[tuple[int, str]]:
    """Give the lists that are not recorded and that somebody is to be put on."""
    needed = {s.list for e in one.judged.plan.exports if e.action in BUSY for s in e.segments if s.new and s.add}
    fresh = one.judged.roster.fresh
    return [(slot, title) for slot, title in one.judged.roster.titles.items() if slot in fresh and title in needed]


def _forget_retired(one: Prepared, ledger: Ledger) -> None:
    held = {export.number: export.people for export in ledger.exports(one.name)}
    for entry in one.judged.roster.entries:
        if entry.mode is Mode.RETIRE and entry.number not in one.judged.blocked and not held.get(entry.number):
            ledger.drop_export(one.name, entry.number)


def _entry(export: ExportPlan, one: Prepared) -> Entry:
    return next(entry for entry in one.judged.roster.entries if entry.name == export.name)


def _result(export: ExportPlan, one: Prepared, delivery: Delivery) -> ExportRun:
    if export.action not in BUSY:
        return _untouched(export)
    number = _entry(export, one).number
    refused, open_ = delivery.rejected[number], delivery.unfinished[number]
    reasons = list(delivery.faults) if open_ or delivery.stopped else []
    if refused:
        reasons.append(f"Autopilot did not take {refused:,} people; the next run sends them again")
    if open_:
        reasons.append(f"{open_:,} people are not brought up to date; the next run goes on with them")
    created, updated = delivery.created[number], delivery.updated[number]
    return ExportRun(
        export=export.name,
        connection=export.connection,
        status=_status(reasons, delivery),
        action=export.action.value,
        created=created,
        updated=updated,
        left=delivery.left[number],
        unchanged=export.profiles.unchanged,
        sent=created + updated,
        rejected=refused,
        excluded=export.excluded,
        reasons=tuple(reasons),
        allowed=tuple(map(str, export.allowed)),
        snapshot=export.snapshot,
    )


def _status(reasons: list[str], delivery: Delivery) -> RunStatus:
    if delivery.stopped and not delivery.halted:
        return RunStatus.CANCELED
    return RunStatus.FAILED if reasons else RunStatus.SUCCESSFUL


def _ended(export: ExportPlan, status: RunStatus, reason: str) -> ExportRun:
    """Record an export that was to be pushed, and of which nothing was."""
    if export.action not in BUSY:
        return _untouched(export)
    return replace(_untouched(export), status=status, reasons=(reason,))


def _untouched(export: ExportPlan) -> ExportRun:
    """Record an export that was blocked, skipped, or had nothing to do."""
    status = {Action.BLOCKED: RunStatus.FAILED, Action.SKIPPED: RunStatus.SKIPPED}
    return ExportRun(
        export=export.name,
        connection=export.connection,
        status=status.get(export.action, RunStatus.SUCCESSFUL),
        action=export.action.value,
        unchanged=export.profiles.unchanged,
        excluded=export.excluded,
        reasons=tuple(reason.message for reason in export.reasons),
        allowed=tuple(map(str, export.allowed)),
        snapshot=export.snapshot,
    )
