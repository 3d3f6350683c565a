"""Decides the shape of an Export."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from reconciler.manifest import patterns
from reconciler.manifest.shapes.base import TAG, Column, FieldName, Name, Safety, Shape, Text, Whole, by_form, by_type

Time = Annotated[str, Field(pattern=patterns.TIME)]
Times = Annotated[list[Time], Field(min_length=1, max_length=4)]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Format = Annotated[str, Field(min_length=2, max_length=100)]
Formats = Annotated[
    Annotated[Format, Tag(TAG + "text")] | Annotated[list[Format], Field(min_length=1), Tag(TAG + "list")],
    Discriminator(lambda value: TAG + ("list" if isinstance(value, list) else "text")),
]
Nulls = Literal["skip", "clear"]


class Match(Shape):
    """A profile column, and how its values are sent."""

    column: Column = Field(examples=["AnnualIncome"])
    """The profile's column."""
    type: Literal["string", "integer", "float", "boolean", "date"] | None = Field(default=None, examples=["integer"])
    """The type of a custom field; a standard field has none."""
    format: Formats | None = Field(default=None, examples=["%m/%d/%Y", ["%m/%d/%Y", "%d-%m-%Y"]])
    """How dates are written in the column, as strptime patterns; ISO 8601 when left out."""
    nulls: Nulls | None = Field(default=None, examples=["clear"])
    """What a missing value does to this field; the export's `nulls` when left out."""


class SegmentUse(Shape):
    """A segment, and the list that it becomes."""

    name: Name = Field(examples=["large-families"])
    """The Segment."""
    list: Annotated[str, Field(pattern=patterns.TITLE)] | None = Field(default=None, examples=["Large families"])
    """The title of its list in Autopilot; the segment's name when left out."""


class PersonConsent(Shape):
    """What a profile must say for the person to be sent."""

    column: Column = Field(examples=["NewsletterConsent"])
    """The profile's column."""
    equals: Annotated[
        Annotated[str, Field(max_length=300), Tag(TAG + "text")]
        | Annotated[bool, Tag(TAG + "bool")]
        | Annotated[Whole, Tag(TAG + "whole")],
        Discriminator(by_type),
    ] = Field(examples=["true", True, 1])
    """The value that means yes, of the column's type."""


class Daily(Shape):
    """Every day."""

    every: Literal["day"] = Field(examples=["day"])
    """Day or week."""
    at: Times = Field(examples=[["06:00"]])
    """One to four times of day."""
    timezone: Text = Field(default="UTC", examples=["Europe/Madrid"])
    """The time zone of the times, by its IANA name."""


class Weekly(Shape):
    """On days of the week."""

    every: Literal["week"] = Field(examples=["week"])
    """Day or week."""
    on: Annotated[list[Day], Field(min_length=1, max_length=7)] = Field(examples=[["monday", "thursday"]])
    """The days."""
    at: Times = Field(examples=[["06:00"]])
    """One to four times of day."""
    timezone: Text = Field(default="UTC", examples=["Europe/Madrid"])
    """The time zone of the times, by its IANA name."""


class Cron(Shape):
    """By a cron expression."""

    cron: Text = Field(examples=["0 6 * * 1"])
    """Minute, hour, day of month, month, day of week."""
    timezone: Text = Field(default="UTC", examples=["Europe/Madrid"])
    """The time zone of the expression, by its IANA name."""


def _schedule(value: object) -> str:
    keys = value if isinstance(value, dict) else {}
    return TAG + ("cron" if "cron" in keys else "week" if keys.get("every") == "week" else "day")


Schedule = Annotated[
    Annotated[Daily, Tag(TAG + "day")] | Annotated[Weekly, Tag(TAG + "week")] | Annotated[Cron, Tag(TAG + "cron")],
    Discriminator(_schedule),
]
Matched = Annotated[
    Annotated[Column, Tag(TAG + "text")] | Annotated[Match, Tag(TAG + "mapping")], Discriminator(by_form)
]
Used = Annotated[
    Annotated[Name, Tag(TAG + "text")] | Annotated[SegmentUse, Tag(TAG + "mapping")], Discriminator(by_form)
]


class ExportSpec(Shape):
    """Which segments go to which connection, with which fields."""

    connection: Name | None = Field(default=None, examples=["autopilot-marketing"])
    """The Connection; without one the export is detached: kept, and not run."""
    source: Name = Field(examples=["unified-profiles"])
    """The Source of the profiles."""
    match: dict[FieldName, Matched] = Field(examples=[{"Email": "EmailAddress", "FirstName": "FirstName"}])
    """Data matching: Autopilot field <- profile column. Email is required."""
    segments: Annotated[list[Used], Field(min_length=1)] = Field(examples=[["home-owners"]])
    """The segments; each becomes a list."""
    consent: PersonConsent | None = Field(default=None, examples=[{"column": "NewsletterConsent", "equals": "true"}])
    """A profile without it is left out, and counted."""
    triggers: list[Literal["merge", "schedule"]] = Field(
        default=["merge", "schedule"], examples=[["merge", "schedule"]]
    )
    """What makes it run. Asking by hand always works."""
    schedule: Schedule | None = Field(
        default=None, examples=[{"every": "day", "at": ["06:00"], "timezone": "Europe/Madrid"}]
    )
    """When it is due."""
    on_leave: Literal["remove", "keep"] = Field(default="remove", examples=["remove"])
    """Who leaves the segment leaves the list, or is never removed."""
    on_retire: Literal["empty", "keep"] = Field(default="empty", examples=["empty"])
    """Deleting the export takes its people off its lists, or leaves them."""
    safety: Safety | None = Field(default=None, examples=[{"maxRemovals": "20%", "maxUpdates": "50%"}])
    """Over it, the export is blocked."""
    allow_empty: bool = Field(default=False, examples=[False])
    """Whether a segment with no members at all removes everybody instead of failing."""
    protected: bool = Field(default=False, examples=[True])
    """True is remembered: the export cannot be retired until a run has seen false."""
    nulls: Nulls = Field(default="skip", examples=["skip"])
    """A missing value is not sent, or blanks the field."""
    suspended: bool = Field(default=False, examples=[True])
    """Whether it is left out of every run."""
