"""The lease, as it is written in the lock's file. It decides when a holder is gone.

Three signs are weighed, because each can lie. The operating system's lock is freed when its holder ends, but does not
reach every file system, and a process that is stopped keeps it. The expiry reaches everybody, but clocks jump. Whether
the lease is still renewed is seen by waiting, on a clock that does not jump.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.custody import Holder

if TYPE_CHECKING:
    from reconciler.core.ports import Clock

RENEWALS = 4
"""How often a lease is renewed while it would last."""

SIZE = 2048
"""Bytes that a lease takes, blanks included: it is always written whole, in one piece, over the one before."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LONGEST = 80
"""Characters of a name that are shown."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds the lock, from when to when. `machine` names one start of one machine; `term` is in seconds."""

    token: str
    who: str
    host: str
    machine: str
    pid: int
    since: dt.datetime
    expires: dt.datetime
    term: float

    def written(self) -> bytes:
        """Give it as it stands in the file."""
        fields = asdict(self) | {"since": self.since.isoformat(), "expires": self.expires.isoformat()}
        return json.dumps(fields).encode().ljust(SIZE)

    @property
    def nearby(self) -> bool:
        """Whether its holder is on this machine, so that its process can be seen and the system's lock is shared."""
        machine = here()
        return self.machine == machine if machine else self.host == socket.gethostname()


def here() -> str:
    """Name this start of this machine: containers share it, machines of one name do not."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def begun(token: str, who: str, now: dt.datetime, term: float) -> Lease:
    """Give a lease of this process that begins now."""
    host, pid = plain(socket.gethostname()), os.getpid()
    return Lease(token, plain(who), host, here(), pid, now, now + dt.timedelta(seconds=term), term)


def parsed(written: bytes) -> Lease | None:
    """Give what is written, or None: its holder may not have written yet, and a file may hold anything."""
    try:
        fields = json.loads(written)
        lease = Lease(
            token=str(fields["token"]),
            who=plain(str(fields["who"])),
            host=plain(str(fields["host"])),
            machine=str(fields["machine"]),
            pid=int(fields["pid"]),
            since=dt.datetime.fromisoformat(fields["since"]),
            expires=dt.datetime.fromisoformat(fields["expires"]),
            term=float(fields["term"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    aware = lease.since.tzinfo is not None and lease.expires.tzinfo is not None
    return lease if aware and lease.pid > 0 and math.isfinite(lease.term) else None


def plain(text: str) -> str:
    """Keep what a terminal shows as it is, and not much of it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])


class Watch:
    """Looks at a lock again and again. `clock` gives the expiry its now, and the waiting its seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: bytes | None = None
        self._since = 0.0

    def gone(self, written: bytes, *, locked: bool | None) -> bool:
        """Tell whether the holder is gone. `locked`: the system's lock is held; None: there is none here."""
        now = self._clock.monotonic()
        if written != self._seen:
            self._seen, self._since = written, now
        lease, idle = parsed(written), now - self._since
        if lease is None:
            return locked is not True and (locked is False or not written)
        if locked is False and lease.nearby:
            return True
        expired = self._clock.now() >= lease.expires
        # One that is stopped and one whose clock was overtaken look alike; the latter renews its lease soon
        missed = lease.term * 2 / RENEWALS if locked else 0.0
        return (expired and idle >= missed) or idle >= lease.term


def described(written: bytes, now: dt.datetime) -> Holder:
    """Say who holds the lock, for somebody who asks."""
    lease = parsed(written)
    if lease is None:
        return Holder()
    running = _running(lease.pid) if lease.nearby else None
    expired = now >= lease.expires
    return Holder(lease.token, lease.who, lease.host, lease.pid, lease.since, lease.expires, running, expired)


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
