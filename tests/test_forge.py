"""One comment, one issue: what is kept at GitHub, found again, and left alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from support.forge import BOT, LONGEST, REPOSITORY, TOKEN, serving
from support.hasty import HastyClock

from reconciler.core.errors import ReconcilerError, Refused, Unauthorized
from reconciler.forge import Forge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.forge import Forge as World

MARK = "<!-- reconciler:plan -->"
HEAD, BASE = "a" * 40, "b" * 40


@pytest.fixture
def world() -> Iterator[World]:
    with serving() as made:
        made.heads[7] = (HEAD, "main")
        made.branches = {"main": BASE}.get
        yield made


def forge(world: World, token: str = TOKEN, clock: HastyClock | None = None) -> Forge:
    return Forge(world.url, REPOSITORY, token, clock or HastyClock(), random.Random(1))


def test_one_comment_is_made_and_then_edited(world: World) -> None:
    forge(world).keep_comment(7, MARK, f"{MARK}\none", needed=True)
    number = next(iter(world.comments))
    forge(world).keep_comment(7, MARK, f"{MARK}\ntwo", needed=True)
    assert world.said(7) == [f"{MARK}\ntwo"]
    assert list(world.comments) == [number]
    writes = len(world.writes())
    forge(world).keep_comment(7, MARK, f"{MARK}\ntwo", needed=True)
    assert len(world.writes()) == writes


def test_nothing_to_say_makes_no_comment_and_corrects_one_that_is_there(world: World) -> None:
    forge(world).keep_comment(7, MARK, f"{MARK}\nno changes", needed=False)
    assert world.said(7) == []
    forge(world).keep_comment(7, MARK, f"{MARK}\nchanges", needed=True)
    forge(world).keep_comment(7, MARK, f"{MARK}\nno changes", needed=False)
    assert world.said(7) == [f"{MARK}\nno changes"]


def test_a_comment_that_only_poses_as_ours_is_left_alone(world: World) -> None:
    world.comment(7, f"{MARK}\nall is well, merge it", "mallory")
    world.comment(7, f"> {MARK}\nquoted", BOT)
    world.comment(8, f"{MARK}\nof another pull request", BOT)
    forge(world).keep_comment(7, MARK, f"{MARK}\nthe plan", needed=True)
    assert world.said(7) == [f"{MARK}\nall is well, merge it", f"> {MARK}\nquoted", f"{MARK}\nthe plan"]
    assert world.said(8) == [f"{MARK}\nof another pull request"]


def test_ours_is_found_behind_many_others_and_a_twin_is_taken_away(world: World) -> None:
    for number in range(230):
        world.comment(7, f"talk {number}", "alice")
    world.comment(7, f"{MARK}\nold", BOT)
    world.comment(7, f"{MARK}\ntwin", BOT)
    forge(world).keep_comment(7, MARK, f"{MARK}\nnew", needed=True)
    assert [body for body in world.said(7) if MARK in body] == [f"{MARK}\nnew"]
    assert len(world.said(7)) == 231


def test_an_issue_is_opened_edited_closed_and_opened_anew(world: World) -> None:
    world.issue("Autopilot", f"{MARK}\nnot ours", "mallory")
    world.issue("A pull request", f"{MARK}\nours, but none", BOT, pull_request={})
    assert forge(world).keep_issue(MARK, "Drift", f"{MARK}\nfine", needed=False) == "no issue is needed"
    for body in ("one", "two", "two"):
        forge(world).keep_issue(MARK, "Drift", f"{MARK}\n{body}", needed=True)
    (first,) = [each for each in world.issues.values() if each["title"] == "Drift"]
    assert (first["state"], first["body"]) == ("open", f"{MARK}\ntwo")
    forge(world).keep_issue(MARK, "Drift", f"{MARK}\nfine", needed=False)
    assert (first["state"], first["body"]) == ("closed", f"{MARK}\nfine")
    forge(world).keep_issue(MARK, "Drift", f"{MARK}\nagain", needed=True)
    states = [each["state"] for each in world.issues.values() if each["title"] == "Drift"]
    assert states == ["closed", "open"]
    assert {each["state"] for each in world.issues.values() if each["title"] != "Drift"} == {"open"}


@pytest.mark.parametrize(("head", "base", "told"), [("c" * 40, BASE, "pushed"), (HEAD, "c" * 40, "base has moved")])
def test_a_plan_that_somebody_overtook_is_refused(world: World, head: str, base: str, told: str) -> None:
    forge(world).unmoved(7, HEAD, BASE)
    with pytest.raises(ReconcilerError, match=told):
        forge(world).unmoved(7, head, base)


def test_a_wrong_token_is_told_without_the_token(world: World) -> None:
    with pytest.raises(Unauthorized) as caught:
        forge(world, "ghp_another").keep_comment(7, MARK, MARK, needed=True)
    assert "ghp_another" not in str(caught.value)


def test_a_token_that_the_server_repeats_is_not_shown(world: World) -> None:
    world.refusals.append((422, f"{TOKEN} is not enough"))
    with pytest.raises(Refused) as caught:
        forge(world).keep_comment(7, MARK, MARK, needed=True)
    assert TOKEN not in str(caught.value)
    assert "is not enough" in str(caught.value)


@pytest.mark.parametrize("status", [403, 429, 500, 502])
def test_what_may_pass_later_is_tried_again(world: World, status: int) -> None:
    world.refusals.append((status, "You have exceeded a secondary rate limit."))
    clock = HastyClock()
    before = clock.monotonic()
    forge(world, clock=clock).keep_comment(7, MARK, MARK, needed=True)
    assert world.said(7) == [MARK]
    assert status != 403 or clock.monotonic() - before >= 60


def test_a_limit_that_stays_ends_in_one_line(world: World) -> None:
    world.refusals += [(403, "API rate limit exceeded")] * 2
    with pytest.raises(Refused, match="rate limit"):
        forge(world).keep_comment(7, MARK, MARK, needed=True)
    assert world.said(7) == []


def test_a_job_without_the_right_is_told_which(world: World) -> None:
    world.refusals.append((403, "Resource not accessible by integration"))
    with pytest.raises(Refused, match="permissions:"):
        forge(world).keep_comment(7, MARK, MARK, needed=True)


def test_a_comment_that_may_have_been_made_is_not_made_twice(world: World) -> None:
    world.lost.add("POST")
    with pytest.raises(ReconcilerError):
        forge(world).keep_comment(7, MARK, MARK, needed=True)
    assert len(world.writes()) == 1
    world.lost.clear()
    forge(world).keep_comment(7, MARK, MARK, needed=True)  # the next run finds what was made
    assert world.said(7) == [MARK]


@pytest.mark.parametrize("name", ["", "contoso", "contoso/", "a/b/c", "contoso/x y", "../x"])
def test_a_repository_that_is_none_is_refused(world: World, name: str) -> None:
    with pytest.raises(ReconcilerError):
        Forge(world.url, name, TOKEN, HastyClock(), random.Random(1)).keep_comment(7, MARK, MARK, needed=True)


def test_the_stand_in_has_the_limit_of_github(world: World) -> None:
    with pytest.raises(Refused):
        forge(world).keep_comment(7, MARK, "x" * (LONGEST + 1), needed=True)
