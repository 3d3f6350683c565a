"""Decides which line a fault of the cluster becomes. Its own words quote data, so none of them passes through."""

from __future__ import annotations

import re

from reconciler.core.errors import PredicateRefused, SourceDown, SourceError

_VALUES = re.compile(
    r"CAST_INVALID_INPUT|CAST_OVERFLOW|NUMERIC_VALUE_OUT_OF_RANGE|NUMERIC_OUT_OF_SUPPORTED_RANGE|ARITHMETIC_OVERFLOW"
    r"|BINARY_ARITHMETIC_OVERFLOW|DATETIME_OVERFLOW|USER_RAISED_EXCEPTION|CANNOT_PARSE_TIMESTAMP"
)
_GONE = re.compile(r"TABLE_OR_VIEW_NOT_FOUND|PATH_NOT_FOUND|SCHEMA_NOT_FOUND|DATA_SOURCE_NOT_FOUND")
_NAME = re.compile(r"[A-Z][A-Z0-9_.]{2,80}")


def translate(error: Exception, label: str) -> SourceError:
    """Give the one line for a fault of a query over the table `label`."""
    condition = _condition(error)
    if _VALUES.search(condition):
        return PredicateRefused(
            f"{label}: a column holds a value that the predicate cannot take, or that two engines read differently; "
            "TRY_CAST or CASE leaves such profiles out"
        )
    if _GONE.search(condition):
        return SourceError(f"{label}: the cluster has no such table, or the token may not read it; grant SELECT on it")
    code = _code(error)
    if code in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
        return SourceDown(f"{label}: the cluster does not take the token ({code}); renew it, or grant SELECT")
    why = code or condition or type(error).__name__
    if code or not condition or "SESSION" in condition or "RETRIES" in condition:
        return SourceDown(f"{label}: the cluster went away before the query was done ({why}); run again")
    return SourceError(
        f"{label}: the cluster did not finish the query ({condition or type(error).__name__}); run again"
    )


def unopened(error: Exception, url: str) -> SourceError:
    """Give the one line for a fault while a session with the cluster at `url` is opened."""
    if _code(error) == "UNAVAILABLE":
        return SourceError(f"{url}: Spark Connect does not answer (UNAVAILABLE); is it running, and with TLS?")
    return translate(error, url)


def _condition(error: Exception) -> str:
    """Give the name that the cluster has for a fault: a name alone, without the words around it."""
    ask = getattr(error, "getCondition", None) or getattr(error, "getErrorClass", None)
    told = str((ask() if ask is not None else None) or "")
    if not told:  # a fault of a task is handed on as text, with the name in brackets
        found = re.search(r"\[([A-Z][A-Z0-9_.]{2,80})\]", str(error))
        told = found[1] if found else ""
    return told if _NAME.fullmatch(told) else ""


def _code(error: Exception) -> str:
    """Give the name of a fault of the line to the cluster, such as UNAVAILABLE."""
    ask = getattr(error, "code", None)
    if not callable(ask):
        ask = getattr(error, "getGrpcStatusCode", None)
    told = getattr(ask() if callable(ask) else None, "name", "")
    return told if told not in {"", "INTERNAL", "UNKNOWN"} else ""
