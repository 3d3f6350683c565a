"""Tells whoever is to be told of a run. It decides nothing, and fails nothing: what is not sent is a line on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli.workflow import run_link
from reconciler.core.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.alerts import Alert
    from reconciler.core.notify import Notify
    from reconciler.core.record import Run
    from reconciler.flow.alerting import Told
    from reconciler.flow.session import Session
    from reconciler.notices import Post
    from reconciler.wiring import Workshop


def told_of(session: Session, run: Run, say: Callable[[str], None]) -> tuple[Told, ...]:
    """Give who is to be told what, while the history can be read."""
    try:
        return session.alerts(run)
    except ReconcilerError as error:
        say(f"warning: no alert was sent: {error}")
        return ()


def tell(shop: Workshop, told: tuple[Told, ...], project: str, say: Callable[[str], None]) -> None:
    """Send each target its one message, all at the same time."""
    posts: list[Post] = []
    for target, alerts in told:
        try:
            posts.append(_post(shop, target, alerts, project))
        except ReconcilerError as error:
            say(f"warning: the alert to {target.name} was not sent: {error}")
    if posts:
        from reconciler.notices import deliver

        for name, why in deliver(posts, shop.clock).items():
            say(f"warning: the alert to {name} was not sent: {why}")


def _post(shop: Workshop, target: Notify, alerts: tuple[Alert, ...], project: str) -> Post:
    from reconciler.core.alerts import Turn
    from reconciler.notices import Post
    from reconciler.report.alerts import alert_text, alert_title

    webhook = shop.webhook(target)
    body = alert_text(alerts, run_link(), webhook.form)
    good = all(alert.turn is Turn.RECOVERY for alert in alerts)
    return Post(target.name, webhook, alert_title(alerts, project), body, good)
