"""The names of Autopilot's standard fields, and those that no mapping may use. It decides nothing."""

from __future__ import annotations

STANDARD_FIELDS = (
    "Email",
    "Twitter",
    "FirstName",
    "LastName",
    "Salutation",
    "Company",
    "NumberOfEmployees",
    "Title",
    "Industry",
    "Phone",
    "MobilePhone",
    "Fax",
    "Website",
    "MailingStreet",
    "MailingCity",
    "MailingState",
    "MailingPostalCode",
    "MailingCountry",
    "owner_name",
    "LeadSource",
    "Status",
    "LinkedIn",
)
"""Every standard field of a contact that may be mapped, as Autopilot spells it."""

RESERVED_FIELDS = ("unsubscribed", "_autopilot_list")
"""Keys of a contact that are never mapped: `unsubscribed: false` subscribes a person again, the other names a list."""
