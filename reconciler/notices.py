"""The one way to webhooks: decides which URLs are taken, and that no message holds anybody up. It never shows a URL.

`apprise` knows how Slack, Teams and plain JSON want a message. It is kept from writing anything down, from following
redirects, and from whatever else a URL may ask of it beside sending.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.core.errors import ReconcilerError
from reconciler.core.notify import Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apprise.plugins.base import NotifyBase

    from reconciler.core.ports import Clock

PATIENCE = 10.0
"""Seconds that all messages of a run may take together; whoever has not answered by then is left alone."""

_SERVICES = {"NotifySlack": Form.SLACK, "NotifyWorkflows": Form.CARD, "NotifyJSON": Form.DATA}
"""What is sent to, by the library's name of it."""

FORMS = "json://, jsons://, or the URL that Slack or Teams gives"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A place that takes messages of one form."""

    form: Form
    _service: NotifyBase

    def post(self, title: str, body: str, *, good: bool) -> bool:
        """Send one message of its form, and tell whether it was taken. `good`: it tells of nothing bad."""
        from apprise import NotifyFormat, NotifyType  # noqa: PLC0415  # `open_webhook` has taken it along

        kind = NotifyType.SUCCESS if good else NotifyType.FAILURE
        written = NotifyFormat.MARKDOWN if self.form is Form.CARD else NotifyFormat.TEXT
        try:
            return self._service.notify(body=body, title=title, notify_type=kind, body_format=written)
        except Exception:  # noqa: BLE001  # whatever it is, its text may hold the URL, and an alert must not fail a run
            return False


def open_webhook(url: str) -> Webhook:
    """Open what a URL names, without a request. Raises ReconcilerError, which does not name it."""
    try:
        # The library is an extra and takes 0.2 s to import, so only who is alerted pays.
        import apprise  # noqa: PLC0415
    except ImportError:
        raise ReconcilerError('alerts need the extra: pip install "reconciler[notify]"') from None
    log = logging.getLogger("apprise")
    log.disabled, log.propagate = True, False  # it tells URLs
    asset = apprise.AppriseAsset(
        app_id="reconciler",
        app_desc="reconciler",
        app_url="",
        image_url_mask="",
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        http_redirects=False,
    )
    try:
        with warnings.catch_warnings(action="ignore"):  # it loads every service that it has, of whatever age
            service = apprise.Apprise.instantiate(url, asset=asset)
    except Exception:  # noqa: BLE001  # its text may hold the URL
        service = None
    name = type(service).__name__
    if service is None or name not in _SERVICES or getattr(service, "template", None):
        raise ReconcilerError(f"its URL is of no form that is known; it is {FORMS}")
    if name == "NotifyJSON" and not service.secure and not _loopback(str(service.host)):
        raise ReconcilerError("its URL is plain http to another machine, which would send it in the open; use jsons://")
    _hold(service)
    return Webhook(_SERVICES[name], service)


def _hold(service: NotifyBase) -> None:
    """Take back what a URL may ask for: other timeouts, repetitions, no certificate, pictures from elsewhere."""
    service.verify_certificate, service.redirects, service.persistent_storage = True, False, False
    service.socket_connect_timeout = service.socket_read_timeout = PATIENCE / 2
    service.retry = 0
    service.overflow_mode = type(service).overflow_mode


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Post:
    """A message on its way: the target's name, where it goes, and what it says."""

    name: str
    webhook: Webhook
    title: str
    body: str
    good: bool


def deliver(posts: Sequence[Post], clock: Clock, patience: float = PATIENCE) -> dict[str, str]:
    """Send messages at the same time, and give by name why some were not taken. It takes `patience` seconds at most.

    A thread that is still waiting then ends with the process.
    """
    taken: dict[str, bool] = {}

    def send(post: Post) -> None:
        taken[post.name] = post.webhook.post(post.title, post.body, good=post.good)

    threads = [threading.Thread(target=send, args=(post,), daemon=True) for post in posts]
    end = clock.monotonic() + patience
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - clock.monotonic()))
    late = f"no answer within {patience:g} seconds"
    told = {True: "", False: "the webhook cannot be reached, or refuses it", None: late}
    return {post.name: why for post in posts if (why := told[taken.get(post.name)])}
