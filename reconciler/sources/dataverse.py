"""The source `dataverse`: Customer Insights through the Dataverse Web API, read by the locked engine. It fails closed.

Where the Customer Insights API is configured, a read counts only if that says before and after it that all is sound.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from reconciler.core.errors import PartUnread, SourceDown, SourceError
from reconciler.core.reads import Dataverse
from reconciler.sources import attributes, insights, odata, parts
from reconciler.sources.engine import Engine, Limits
from reconciler.sources.entities import EntityTable, HeldTable
from reconciler.sources.insights import Blind, Insights
from reconciler.sources.opened import Opened, make_spool
from reconciler.sources.service import Service
from reconciler.sources.tabled import Keys, TabledSource
from reconciler.sources.tokens import Signing, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.core.model import Segment, Source
    from reconciler.core.ports import Row
    from reconciler.sources.insights import Look, Watch
    from reconciler.sources.surroundings import Surroundings

LONGEST = 4 * 3600.0
"""Seconds that one scan may take: 10 million profiles come in 2,000 pages, of which each waits for the one before."""


class DataverseSource(TabledSource):
    """Reads what `source` declares. Implements core.ports.Source."""

    def __init__(
        self, source: Source, around: Surroundings, *, threads: int | None = None, memory: str = "1GB"
    ) -> None:
        reads, limits = source.reads, Limits(threads, memory, LONGEST)
        assert isinstance(reads, Dataverse)
        held = reads.memberships
        keys = Keys(reads.profiles.id, held.id if held else "", held.segments if held else "")
        super().__init__(partial(open_dataverse, reads, source.name, around, limits), keys)

    def members(
        self, segments: Sequence[Segment], columns: Sequence[str], *, apart: bool = False
    ) -> Iterator[Sequence[Row]]:
        """Stream every profile that is in at least one of `segments`. Raises SourceError, also at the very end."""
        if not segments:
            return
        self._asked(segments, columns)  # what cannot be had at all costs no question
        before = self._look(segments)
        unread: dict[str, str] = {}
        try:
            yield from super().members(segments, columns, apart=apart)
        except PartUnread as fault:
            if not fault.complete:
                raise
            unread = fault.segments
        unread = self._vouched(before, segments) | unread
        if unread:
            raise PartUnread(unread, complete=True)

    def count(self, segments: Sequence[Segment]) -> int:
        """Count the distinct profiles in at least one of `segments`. Raises SourceError."""
        if not segments:
            return 0
        before = self._look(segments)
        found = super().count(segments)
        if unread := self._vouched(before, segments):
            raise PartUnread(unread, complete=True)
        return found

    def recognises(self, segment: Segment) -> bool:
        """Tell whether the source knows the segment: by Customer Insights, or because somebody is in it."""
        if segment.member is None:
            return True
        known = self._profiles().watch.look(())
        return super().recognises(segment) if known is None else segment.member in known.segments

    def _look(self, segments: Sequence[Segment]) -> Look | None:
        """Ask whether all is sound. Raises SourceError, of which PartUnread has the segments that are not."""
        try:
            return self._profiles().watch.look(_members(segments))
        except PartUnread as fault:
            raise PartUnread(_by_segment(fault.segments, segments)) from None

    def _vouched(self, before: Look | None, segments: Sequence[Segment]) -> dict[str, str]:
        """Let a read count only when all of it was read, and nothing changed meanwhile. Raises SourceError.

        Gives what of it does not count, by the segment's name.
        """
        members, profiles = _members(segments), self._profiles()
        held = self._opened().memberships if members else None
        assert held is None or isinstance(held, HeldTable)
        nobody = held is not None and not held.seen.names.total()  # then the engine does not look for their profiles
        if not (profiles.seen.whole or profiles.seen.unasked or nobody):
            raise SourceError(f"{profiles.label}: was read by half")
        if held is not None and not held.seen.whole:
            raise parts.kept(SourceError(f"{held.label}: was read by half"), segments)
        after = self._look(segments)
        if before is None or after is None:
            return {}
        read = {name: held.seen.names[name] for name in members} if held else {}
        return _by_segment(insights.compare(before, after, read), segments)

    def _profiles(self) -> EntityTable:
        profiles = self._opened().profiles
        assert isinstance(profiles, EntityTable)
        return profiles


def _members(segments: Sequence[Segment]) -> list[str]:
    return sorted({segment.member for segment in segments if segment.member is not None})


def _by_segment(faults: Mapping[str, str], segments: Sequence[Segment]) -> dict[str, str]:
    """Give faults by the names of the segments, instead of those that memberships know them by."""
    return {of.name: faults[of.member] for of in segments if of.member is not None and of.member in faults}


def open_dataverse(reads: Dataverse, name: str, around: Surroundings, limits: Limits) -> Opened:
    """Sign in, settle the columns, and lock an engine to the pipes. Raises SourceError, SecretMissing.

    Memberships that cannot be read stop only those segments that need them.
    """
    if not hasattr(os, "mkfifo"):
        raise SourceError(f"{name}: Dataverse is not read on this platform, which has no named pipes")
    with ExitStack() as undo:
        tokens = Tokens(Signing(name, reads, around).credential, name)
        undo.callback(tokens.close)
        service = Service(f"{reads.url}/api/data/v9.2", f"{reads.url}/.default", tokens, around, odata.HEADERS)
        undo.callback(service.close)
        watch = _watch(reads, tokens, around, undo)
        profiles = EntityTable(
            service,
            reads.profiles.table,
            attributes.find(service, reads.profiles.table, reads.profiles.prefix),
            reads.profiles.prefix,
            watch,
            around.stop,
        )
        profiles.column(reads.profiles.id, "id")
        held = _memberships(reads, name, service, watch, around)
        spool = make_spool(undo)
        engine = Engine([], [f"{spool}/"], limits)
        undo.callback(engine.close)
        return Opened(engine, limits, spool, profiles, held, undo.pop_all())


def _watch(reads: Dataverse, tokens: Tokens, around: Surroundings, undo: ExitStack) -> Watch:
    if reads.insights is None:
        return Blind()
    key = around.secret(reads.insights.key)
    headers = {"Ocp-Apim-Subscription-Key": key}
    service = Service(reads.insights.url, insights.SCOPE, tokens, around, headers, (key,))
    undo.callback(service.close)
    return Insights(service, reads.insights.instance)


def _memberships(
    reads: Dataverse, name: str, service: Service, watch: Watch, around: Surroundings
) -> HeldTable | SourceError:
    declared = reads.memberships
    if declared is None:
        return SourceError(f"the source {name} keeps no memberships; declare them, or give the segment a where")
    try:
        found = attributes.find(service, declared.table, "")
        plain = EntityTable(service, declared.table, found, "", watch, around.stop)
        plain.column(declared.id, "id")
        listing = plain.column(declared.segments, "segments")
    except SourceDown:
        raise
    except SourceError as fault:
        return fault
    if found[listing].type != "VARCHAR":
        return SourceError(f"{declared.table}: {listing} is no text, and cannot list the names of segments")
    return HeldTable(service, declared.table, found, "", watch, around.stop, listing=listing, quote=declared.quote)


def open_source(source: Source, around: Surroundings) -> DataverseSource:
    """Give the source of a declaration; nothing is asked yet."""
    return DataverseSource(source, around)
