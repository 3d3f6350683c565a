"""Decides which rules there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.manifest.rules import alerts, clashes, connections, data, exports, files, names, schedules, services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.manifest.rules.world import World

RULES: Final[tuple[Callable[[World], Iterator[Diagnostic]], ...]] = (
    names.duplicate_name,
    names.project_twice,
    names.dangling_reference,
    names.previous_name,
    connections.base_url,
    connections.consent_date,
    connections.consent_signed,
    connections.precedence,
    files.path_outside,
    files.state_url,
    files.table_columns,
    files.encoding,
    files.column_types,
    services.service_url,
    services.cluster_headers,
    services.cluster_table,
    exports.field_names,
    exports.field_types,
    exports.date_formats,
    exports.email_required,
    exports.segments_once,
    exports.segment_source,
    clashes.field_twice,
    schedules.schedule,
    alerts.notify_names,
    data.unknown_column,
    data.predicate,
)
"""A new rule is one function and its name here."""
