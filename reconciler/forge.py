"""The few calls of GitHub's API that are needed. Decides which comment and which issue are ours, and keeps one of each.

What somebody else wrote is never edited or deleted, whatever it says of itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.core.errors import DestinationError, ReconcilerError, Refused
from reconciler.http import Outlet
from reconciler.pace import Pace

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from reconciler.core.ports import Clock

BOT = "github-actions[bot]"
"""Who writes with the token of a workflow."""

_VERSION = "2022-11-28"
_RATE = 5.0
"""Requests a second; GitHub wants a second between two that write, and there are never more than a few."""

_PAGE = 100
_PAGES = 100
"""Of what is searched for ours: 10,000 comments or issues."""

_REST = 60.0
"""Seconds to wait when GitHub says that there were too many requests, and names no time."""

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Written:
    """A comment or an issue: its number in the API, who wrote it, what it says."""

    number: int
    author: str
    title: str
    body: str


class Forge:
    """One repository at GitHub. Raises DestinationError, and ReconcilerError for an answer that is not understood."""

    def __init__(
        self, url: str, repository: str, token: str, clock: Clock, rng: random.Random, *, author: str = BOT
    ) -> None:
        parts = repository.split("/")
        if len(parts) != 2 or not all(map(_NAME.fullmatch, parts)):  # noqa: PLR2004  # owner and name
            raise ReconcilerError("GITHUB_REPOSITORY is not like OWNER/NAME")
        if not token.isascii() or not token.isprintable():
            raise ReconcilerError("GITHUB_TOKEN is not a token")
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": _VERSION,
        }
        self._repository = tuple(parts)
        self._author = author
        self._outlet = Outlet(url, headers, Pace(_RATE, clock), clock, rng, secrets=(token,))

    def unmoved(self, pull: int, head: str, base: str) -> None:
        """Refuse when a pull request, or what it is to be merged into, is not at these commits any more."""
        now_head, now_base = self._commits(pull)
        if now_head != head:
            raise ReconcilerError(
                "somebody pushed to the pull request since the plan was made; that push is planned too"
            )
        if now_base != base:
            raise ReconcilerError("the base has moved on since the plan was made; run the workflow again")

    def _commits(self, pull: int) -> tuple[str, str]:
        found = self._call("GET", "/pulls/{id}", str(pull))
        head = self._read(lambda: str(found["head"]["sha"]))
        base = self._read(lambda: str(found["base"]["ref"]))
        tip = self._call("GET", "/branches/{id}", base)
        return _commit(head), _commit(self._read(lambda: str(tip["commit"]["sha"])))

    def keep_comment(self, pull: int, marker: str, body: str, *, needed: bool) -> str:
        """Let a pull request have one comment of ours that starts with the marker, and say what was done.

        If it is not `needed` none is made, and one that is there says `body` all the same.
        """
        listed = self._pages("/issues/{id}/comments", str(pull))
        ours = [each for each in map(self._comment, listed) if each.author == self._author and _marked(each, marker)]
        for extra in ours[1:]:
            self._call("DELETE", "/issues/comments/{id}", str(extra.number))
        if not ours:
            if not needed:
                return "no comment is needed"
            # not repeated in doubt: a second one would stay until the next run
            self._call("POST", "/issues/{id}/comments", str(pull), body={"body": body}, repeatable=False)
            return "commented"
        if ours[0].body == body:
            return "the comment says so already"
        self._call("PATCH", "/issues/comments/{id}", str(ours[0].number), body={"body": body})
        return "edited the comment"

    def keep_issue(self, marker: str, title: str, body: str, *, needed: bool) -> str:
        """Let there be one open issue of ours that starts with the marker while it is `needed`, else none."""
        listed = self._pages("/issues?state=open", also="&")
        issues = (self._issue(each) for each in listed if "pull_request" not in each)
        ours = [each for each in issues if each.author == self._author and _marked(each, marker)]
        spare = ours[1:] if needed else ours
        for each in spare:
            told = {"state": "closed"} | ({} if needed else {"title": title, "body": body})
            self._call("PATCH", "/issues/{id}", str(each.number), body=told)
        if not needed:
            return "closed the issue" if ours else "no issue is needed"
        if not ours:
            self._call("POST", "/issues", body={"title": title, "body": body}, repeatable=False)
            return "opened an issue"
        if (ours[0].title, ours[0].body) == (title, body):
            return "the issue says so already"
        self._call("PATCH", "/issues/{id}", str(ours[0].number), body={"title": title, "body": body})
        return "edited the issue"

    def _comment(self, each: Any) -> Written:
        return self._read(lambda: Written(int(each["id"]), _author(each), "", str(each["body"] or "")))

    def _issue(self, each: Any) -> Written:
        return self._read(
            lambda: Written(int(each["number"]), _author(each), str(each["title"]), str(each["body"] or ""))
        )

    def _pages(self, pattern: str, *ids: str, also: str = "?") -> Iterator[Any]:
        for page in range(1, _PAGES + 1):
            found = self._call("GET", f"{pattern}{also}per_page={_PAGE}&page={page}", *ids)
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise ReconcilerError("GitHub answered with something else than a list")
            yield from found
            if len(found) < _PAGE:
                return
        raise ReconcilerError(f"there are more than {_PAGE * _PAGES:,} to search for ours, and GitHub gives no more")

    def _call(self, method: str, pattern: str, *ids: str, body: object = None, repeatable: bool = True) -> Any:
        """Send one request, once more after a rest if there were too many."""
        sent = None if body is None else json.dumps(body).encode()

        def ask() -> Any:
            whole, names = f"/repos/{{id}}/{{id}}{pattern}", (*self._repository, *ids)
            return self._outlet.request(method, whole, names, body=sent, repeatable=repeatable).data

        try:
            return ask()
        except Refused as refused:
            if not _too_many(refused):
                raise _explained(refused) from None
            self._outlet.pause(_REST)
            return ask()

    def _read(self, reading: Callable[[], T]) -> T:
        """Take an answer apart. Raises ReconcilerError when it is not made as GitHub says."""
        try:
            return reading()
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ReconcilerError("GitHub's answer lacks what its documentation names") from None


def _author(each: dict[str, Any]) -> str:
    return str((each["user"] or {}).get("login", ""))  # null: the account is gone


def _commit(text: str) -> str:
    if not _COMMIT.fullmatch(text):
        raise ReconcilerError("GitHub's answer lacks the id of a commit")
    return text


def _marked(each: Written, marker: str) -> bool:
    return each.body.startswith(marker)


def _too_many(refused: Refused) -> bool:
    """Whether GitHub counts: it says so with 403, which is final everywhere else."""
    return refused.status == 403 and "rate limit" in refused.reason.lower()  # noqa: PLR2004  # Forbidden


def _explained(refused: Refused) -> DestinationError:
    if "not accessible" not in refused.reason:
        return refused
    return Refused(
        f"{refused}; the job needs `permissions:` for it (pull-requests: write, or issues: write)",
        status=refused.status,
        reason=refused.reason,
    )
