"""Turns documents of the right shape into the core's frozen values. It decides the defaults, and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, assert_never

from reconciler.core import model, notify
from reconciler.manifest.shapes import connection as connections
from reconciler.manifest.shapes import export as exports
from reconciler.manifest.shapes import kinds, segment
from reconciler.manifest.sourced import reference, source

if TYPE_CHECKING:
    from reconciler.core.diagnostics import Marks
    from reconciler.manifest.shapes import base, project

Value = model.Connection | model.Source | model.Segment | model.Export | model.Project


def safety(shape: base.Safety | None, otherwise: model.Safety) -> model.Safety:
    """Give the bounds, each from `otherwise` where it is left out."""
    if shape is None:
        return otherwise
    return model.Safety(
        otherwise.max_removals if shape.max_removals is None else _bound(shape.max_removals),
        otherwise.max_updates if shape.max_updates is None else _bound(shape.max_updates),
    )


def value(shape: kinds.Shaped, marks: Marks, bounds: model.Safety) -> Value:
    """Give the core's value; `bounds` are the project's, for exports that set none."""
    match shape:
        case kinds.Connection():
            return _connection(shape, marks)
        case kinds.Source():
            return source(shape, marks)
        case kinds.Segment():
            return _segment(shape, marks)
        case kinds.Export():
            return _export(shape, marks, bounds)
        case kinds.Project():
            return _project(shape, marks)
        case _:
            assert_never(shape)


def _bound(text: str | int) -> model.Bound:
    return model.Percent(float(text.removesuffix("%"))) if isinstance(text, str) else model.Count(text)


def _connection(shape: kinds.Connection, marks: Marks) -> model.Connection:
    name, spec = shape.metadata.name, shape.spec
    return model.Connection(
        name=name,
        display_name=spec.display_name or name,
        api_key=reference(spec.api_key),
        base_url=spec.base_url.rstrip("/"),
        limit=spec.limits.profiles,
        rate=float(spec.limits.requests_per_second),
        consent=None if spec.consent is None else _consent(spec.consent),
        usable_by=tuple(spec.usable_by),
        precedence=tuple(spec.precedence),
        previous_name=shape.metadata.previous_name,
        type=spec.type,
        marks=marks,
    )


def _consent(shape: connections.Consent) -> model.Consent:
    return model.Consent(shape.accepted, shape.by, day(shape.on), tuple(shape.fields))


def day(text: str | None) -> dt.date | None:
    """Give the day, or None when the calendar has none such: a rule says so."""
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        return None


def _segment(shape: kinds.Segment, marks: Marks) -> model.Segment:
    spec, name, previous = shape.spec, shape.metadata.name, shape.metadata.previous_name
    match spec:
        case segment.RuledSpec():
            return model.Segment(name, spec.source, where=spec.where, previous_name=previous, marks=marks)
        case segment.KeptSpec():
            return model.Segment(name, spec.source, member=spec.member, previous_name=previous, marks=marks)
        case _:
            assert_never(spec)


def _export(shape: kinds.Export, marks: Marks, bounds: model.Safety) -> model.Export:
    spec = shape.spec
    return model.Export(
        name=shape.metadata.name,
        source=spec.source,
        connection=spec.connection,
        match=tuple(_match(name, entry, spec.nulls) for name, entry in spec.match.items()),
        segments=tuple(_use(entry) for entry in spec.segments),
        consent=None if spec.consent is None else model.PersonConsent(spec.consent.column, spec.consent.equals),
        triggers=tuple(spec.triggers),
        schedule=None if spec.schedule is None else _schedule(spec.schedule),
        keep_leavers=spec.on_leave == "keep",
        keep_retired=spec.on_retire == "keep",
        safety=safety(spec.safety, bounds),
        allow_empty=spec.allow_empty,
        protected=spec.protected,
        suspended=spec.suspended,
        previous_name=shape.metadata.previous_name,
        marks=marks,
    )


def _match(name: str, entry: str | exports.Match, nulls: str) -> model.FieldMatch:
    if isinstance(entry, str):
        return model.FieldMatch(name, entry, clear=nulls == "clear")
    formats = entry.format or ()
    return model.FieldMatch(
        field=name,
        column=entry.column,
        kind=None if entry.type is None else model.FieldKind(entry.type),
        formats=(formats,) if isinstance(formats, str) else tuple(formats),
        clear=(entry.nulls or nulls) == "clear",
    )


def _use(entry: str | exports.SegmentUse) -> model.SegmentUse:
    if isinstance(entry, str):
        return model.SegmentUse(entry, entry)
    return model.SegmentUse(entry.name, entry.list or entry.name, named=entry.list is not None)


def _schedule(shape: exports.Daily | exports.Weekly | exports.Cron) -> model.Schedule:
    match shape:
        case exports.Daily():
            return model.Schedule(every="day", at=tuple(shape.at), timezone=shape.timezone)
        case exports.Weekly():
            return model.Schedule(every="week", on=tuple(shape.on), at=tuple(shape.at), timezone=shape.timezone)
        case exports.Cron():
            return model.Schedule(cron=shape.cron, timezone=shape.timezone)
        case _:
            assert_never(shape)


def _project(shape: kinds.Project, marks: Marks) -> model.Project:
    spec, roles = shape.spec, shape.spec.roles
    named = {} if roles is None else {name: tuple(people) for name, people in roles if people}
    return model.Project(
        name=shape.metadata.name,
        state_url=None if spec.state is None else spec.state.url,
        roles=named,
        suppressions=spec.suppressions,
        data_roots=tuple(spec.data_roots),
        notify=tuple(_notify(number, entry) for number, entry in enumerate(spec.notify, 1)),
        marks=marks,
    )


def _notify(number: int, shape: project.Notify) -> notify.Notify:
    limits = shape.degraded
    return notify.Notify(
        name=shape.name or f"webhook-{number}",
        url=reference(shape.url),
        on=tuple(dict.fromkeys(shape.on)),
        degraded=notify.Degraded(_percent(limits.rejected), _percent(limits.deviation), limits.runs),
    )


def _percent(text: str) -> float:
    return float(text.removesuffix("%"))
