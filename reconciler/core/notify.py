"""Who is told of runs, and of what, as it is declared. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.core.model import SecretRef


class Form(Enum):
    """Where a message is read: as data, in Slack, or on a card in Teams."""

    DATA = "data"
    SLACK = "slack"
    CARD = "card"


@dataclass(frozen=True, slots=True)
class Degraded:
    """When a success is none: shares in percent, of people refused and away from the mean of so many last `runs`."""

    rejected: float = 5
    deviation: float = 50
    runs: int = 10


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told of runs: where the webhook's URL is, which is a secret as a whole, and what is told.

    `on` has words of `core.alerts.Kind`, and `recovery`.
    """

    name: str
    url: SecretRef
    on: tuple[str, ...] = ("failure", "blocked", "overdue", "degraded", "recovery")
    degraded: Degraded = Degraded()
