"""What Slack, Teams and a plain webhook are sent, by the command as it stands, and what a bad webhook does to a run."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.command import reconciler
from support.hasty import HastyClock
from support.project import Project, connection, document, export, segment, source
from support.webhooks import SECRET, SLACK, TEAMS, Webhooks

from reconciler.clock import SystemClock
from reconciler.core.errors import ReconcilerError
from reconciler.flow.session import Session
from reconciler.manifest.load import diagnose
from reconciler.notices import Post, deliver, open_webhook
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.core.alerts import Alert

PERSON = "Anneliese"
KEY, NO_KEY = "0123456789abcdef0123456789abcdef", "f" * 32
TARGETS = [{"url": {"env": name}, "name": name.lower()} for name in ("SLACK", "TEAMS", "PLAIN")]
LINK = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "contoso/exports", "GITHUB_RUN_ID": "17"}


class Office:
    """A project, its account, and the webhooks that it tells."""

    def __init__(self, server: Sandbox, root: Path, hooks: Webhooks) -> None:
        self.hooks, self.root, self.project = hooks, root, Project(root, server.url)
        self.shown = ""
        self.declare()

    def declare(self, *exports: dict[str, Any], targets: list[dict[str, Any]] = TARGETS) -> None:
        """Let these be the exports, and the targets of alerts."""
        self.project.declare(
            connection(url=self.project.url, fields=("Email", "FirstName")),
            source(),
            segment("all", "true"),
            *(exports or [self.export("news")]),
            document("Project", "contoso", {"notify": targets} if targets else {}),
        )

    def export(self, name: str, **spec: Any) -> dict[str, Any]:
        """Declare an export with a list of its own."""
        return export(name, [{"name": "all", "list": name}], {"Email": "email", "FirstName": "first"}, **spec)

    def people(self, *numbers: int) -> None:
        """Let these be the profiles."""
        rows = [(n, f"{PERSON.lower()}{n}@example.com", PERSON) for n in numbers]
        self.project.people(("id", "email", "first"), rows)

    def apply(self, *, key: str = KEY, **environ: str) -> tuple[int, str]:
        """Apply as a command, and give the exit code and what it said on stderr."""
        known = self.hooks.environ | {"AUTOPILOT_API_KEY": key, "NO_COLOR": "1"} | environ
        done = reconciler(self.root, "apply", "--yes", environ=known)
        self.shown += done.stdout + done.stderr
        return done.returncode, done.stderr

    def alerts(self, at: str = "", *, cut_off: bool = False) -> list[tuple[str, str, str]]:
        """Run in this process, and give what the first target is told; or be cut off, and tell nobody."""
        if at:
            clock = SetClock(at)
            self.project.clock = clock
        with Session(self.project.shop(), lock_timeout=0) as session:
            plan = session.plan((), "schedule" if at else "demand")
            run = session.carry_out(plan, "schedule" if at else "demand", cut if cut_off else lambda _: None)
            told = session.alerts(run)
        found: tuple[Alert, ...] = told[0][1] if told else ()
        return [(alert.export, alert.kind.value, alert.turn.value) for alert in found]


class SetClock(HastyClock):
    """Stands still at a time of day."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._time = dt.datetime.fromisoformat(text)

    def now(self) -> dt.datetime:
        """Give the time that was set."""
        return self._time.astimezone(dt.UTC)


class CutOffError(Exception):
    """The process dies here."""


def cut(_: int) -> None:
    raise CutOffError


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0), key=KEY) as running:
        yield running


@pytest.fixture
def office(server: Sandbox, tmp_path: Path) -> Iterator[Office]:
    (tmp_path / "tls").mkdir()
    (tmp_path / "project").mkdir()
    with Webhooks(tmp_path / "tls") as hooks:
        yield Office(server, tmp_path / "project", hooks)


def test_each_target_is_told_once_when_it_begins_and_once_when_it_is_over(office: Office) -> None:
    office.people(*range(20))
    assert office.apply()[0] == 0
    assert office.hooks.take() == {}
    office.people(*range(21))
    assert office.apply(key=NO_KEY, **LINK)[0] == 4
    told = office.hooks.take()
    assert set(told) == {SLACK, TEAMS, "127.0.0.1"}
    for got in told.values():
        assert "reconciler, contoso: 1 export failed" in got.text
        assert "news (account) failed: " in got.text
        assert "github.com/contoso/exports/actions/runs/17" in got.text
    assert office.apply(key=NO_KEY)[0] == 4
    assert office.hooks.take() == {}, "it is known already"
    assert office.apply()[0] == 0
    for got in office.hooks.take().values():
        assert "1 export recovered" in got.text
        assert "it failed before, and works again" in got.text
    assert office.apply()[0] == 0
    assert office.hooks.take() == {}


def test_nobody_is_named_and_the_url_is_kept_nowhere(office: Office) -> None:
    office.people(*range(20))
    office.apply()
    office.declare(export("news", ["all"], {"Email": "email", "Phone": "first"}))
    assert office.apply(GITHUB_SERVER_URL="")[0] == 3
    told = office.hooks.take()
    assert len(told) == 3
    office.hooks.status = 500
    office.declare()
    office.people(*range(3, 20))
    office.apply(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(office.root / "summary.md"))
    assert all(SECRET in got.path for got in told.values())
    for got in told.values():
        assert PERSON.lower() not in got.text.lower()
        assert SECRET not in got.text
    written = [path.read_bytes() for path in office.root.rglob("*") if path.is_file()]
    assert SECRET not in office.shown
    assert not any(SECRET.encode() in data for data in written)


def test_several_exports_are_one_message(office: Office) -> None:
    office.people(*range(20))
    phone = {"Email": "email", "Phone": "first"}
    office.declare(*(office.export(name) for name in ("a", "b")), export("c", ["all"], phone))
    assert office.apply(key=NO_KEY)[0] == 4
    plain = office.hooks.take()["127.0.0.1"].data
    assert plain["title"] == "reconciler, contoso: 2 exports failed, 1 blocked"
    lines = plain["message"].split("\n")
    assert [line.partition(":")[0] for line in lines] == [
        "a (account) failed",
        "b (account) failed",
        "c (account) blocked",
    ]
    assert plain["type"] == "failure"


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_webhook_that_refuses_fails_no_run(office: Office, status: int) -> None:
    office.hooks.status, office.hooks.location = status, f"http://127.0.0.1:{office.hooks.port}/elsewhere"
    office.people(*range(5))
    office.declare(export("c", ["all"], {"Email": "email", "Phone": "first"}))
    code, said = office.apply()
    lines = [line for line in said.splitlines() if "alert" in line]
    assert code == 3
    assert sorted(lines) == [
        f"warning: the alert to {name} was not sent: the webhook cannot be reached, or refuses it"
        for name in ("plain", "slack", "teams")
    ]
    assert len(office.hooks.take()) == 3, "not tried again, and sent nowhere else"


def test_a_secret_that_is_missing_or_wrong_is_a_line_and_the_others_are_told(office: Office) -> None:
    office.people(*range(5))
    office.declare(export("c", ["all"], {"Email": "email", "Phone": "first"}))
    code, said = office.apply(SLACK="", TEAMS=f"https://example.com/{SECRET}")
    assert code == 3
    assert "the alert to slack was not sent: the environment variable SLACK is not set; set it to the webhook" in said
    assert "the alert to teams was not sent: its URL is of no form that is known" in said
    assert list(office.hooks.take()) == ["127.0.0.1"]
    assert SECRET not in said


def test_without_the_library_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ReconcilerError, match=r'^alerts need the extra: pip install "reconciler\[notify\]"$'):
        open_webhook("json://127.0.0.1/")


@pytest.mark.parametrize(
    "url",
    [
        f"json://example.com/{SECRET}",
        f"json://user:{SECRET}@192.0.2.1/",
        f"https://example.com/{SECRET}",
        f"mailto://user:{SECRET}@example.com",
        f"slack://{SECRET}",
        f"https://{TEAMS}:443/workflows/{'0' * 32}/triggers/manual/paths/invoke?sig={SECRET}&template=/etc/hosts",
        f"file:///{SECRET}",
        SECRET,
        "",
    ],
)
def test_a_url_of_another_form_is_refused_without_being_shown(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReconcilerError) as caught:
        open_webhook(url)
    assert SECRET not in f"{caught.value!r}{caught.value.__cause__!r}{capfd.readouterr()}"


def test_what_a_url_asks_for_beside_sending_is_not_done(office: Office) -> None:
    asked = "?verify=no&redirect=yes&retry=5&rto=600&cto=600&overflow=split&store=yes"
    service = open_webhook(office.hooks.urls["PLAIN"] + asked)._service  # what it was told to do
    assert service.verify_certificate
    assert not service.redirects
    assert service.retry == 0
    assert max(service.request_timeout) <= 5


def test_a_webhook_that_never_answers_holds_nobody_up(office: Office) -> None:
    office.hooks.held.clear()
    hook = open_webhook(office.hooks.urls["PLAIN"])
    posts = [Post(name, hook, "title", "body", good=True) for name in ("one", "two")]
    told = deliver(posts, SystemClock(), patience=0.1)
    assert told == dict.fromkeys(("one", "two"), "no answer within 0.1 seconds")
    office.hooks.held.set()


def test_a_run_that_was_killed_is_told_by_the_next_one(office: Office) -> None:
    office.people(*range(5))
    assert office.alerts() == []
    office.people(*range(9))
    with pytest.raises(CutOffError):
        office.alerts(cut_off=True)
    assert office.alerts() == [("news", "failure", "first"), ("news", "failure", "recovery")]
    assert office.alerts() == []


def test_a_schedule_that_nobody_ran_is_told_by_the_run_that_makes_up_for_it(office: Office) -> None:
    daily = office.export("news", schedule={"every": "day", "at": ["06:00"], "timezone": "Europe/Madrid"})
    office.people(*range(5))
    office.declare(daily)
    assert office.alerts("2026-11-23T06:05+01:00") == []
    assert office.alerts("2026-11-24T06:55+01:00") == [], "within the tolerance"
    assert office.alerts("2026-11-25T09:00+01:00") == [("news", "overdue", "first"), ("news", "overdue", "recovery")]
    assert office.alerts("2026-11-25T10:00+01:00") == []


def test_what_stays_blocked_becomes_overdue_once(office: Office) -> None:
    daily = {"every": "day", "at": ["06:00"], "timezone": "Europe/Madrid"}
    office.people(*range(5))
    office.declare(office.export("news", schedule=daily))
    office.alerts("2026-11-23T06:05+01:00")
    office.declare(export("news", ["all"], {"Email": "email", "Phone": "first"}, schedule=daily))
    assert office.alerts("2026-11-24T06:05+01:00") == [("news", "blocked", "first")]
    assert office.alerts("2026-11-24T06:35+01:00") == []
    assert office.alerts("2026-11-24T07:05+01:00") == [("news", "overdue", "first")]
    assert office.alerts("2026-11-25T06:05+01:00") == []
    office.declare(office.export("news", schedule=daily))
    assert office.alerts("2026-11-25T07:05+01:00") == [("news", "blocked", "recovery"), ("news", "overdue", "recovery")]


WRITTEN_OUT = (
    f"- https://hooks.slack.com/services/{SECRET}",
    f"- {{url: 'https://hooks.slack.com/{SECRET}'}}",
    f"- {{url: {SECRET}}}",
    f"- {{url: {{env: 'https://hooks.slack.com/{SECRET}'}}}}",
    f"- {{url: {{file: 'jsons://example.com/{SECRET}'}}}}",
    f"- {{url: {{env: A}}, name: 'https://example.com/{SECRET}'}}",
    f"- {{url: {{env: A}}, on: ['https://example.com/{SECRET}']}}",
    f"- {{'https://example.com/{SECRET}': 1}}",
    f"- {{url: {{'https://example.com/{SECRET}': 1}}}}",
)


@pytest.mark.parametrize("target", WRITTEN_OUT)
def test_a_url_that_is_written_out_is_refused_and_not_shown(tmp_path: Path, target: str) -> None:
    head = "apiVersion: reconciler/v1\nkind: Project\nmetadata: {name: contoso}\nspec:\n  notify:\n    "
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "project.yaml").write_text(head + target + "\n")
    said = str([str(fault) for fault in diagnose(tmp_path)[1]])
    assert "[key-in-file] a URL written out instead of referenced" in said
    assert SECRET not in said
