"""Kills runs at random moments under random faults, and checks what is left: `python tests/chaos.py --kills 200`."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from support import swift
from support.hasty import HastyClock
from support.people import COLUMNS, RATE, TITLES, Population
from support.project import Project
from support.wiretap import Seen, Wiretap, repeated

from reconciler.core.record import RunStatus
from reconciler.flow.courier import width
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Fault, Switches

KEY = "00000000000000000000000000000abc"
KILLS_A_WORLD = 20
PATIENCE = 60.0
"""Seconds after which a run that does not end is a failure."""


@dataclass
class Score:
    """What came of it: runs killed, runs that ended before they could be, and requests made twice for a kill."""

    kills: int = 0
    escaped: int = 0
    interrupted: int = 0
    repeated: int = 0
    requests: int = 0

    def __str__(self) -> str:
        bound = self.kills * width(RATE)
        return (
            f"kills: {self.kills}, requests repeated: {self.repeated} (bound: {width(RATE)} in flight a kill: {bound}) "
            f"of {self.requests}; {self.interrupted} runs were cut off while they sent, {self.escaped} ended before"
        )


class Trial:
    """One project and one account, whose ways stay the same while its people change."""

    def __init__(self, server: Sandbox, tap: Wiretap, root: Path, rng: random.Random, score: Score) -> None:
        self.server, self.tap, self.rng, self.score = server, tap, rng, score
        self.ways = ways(rng)
        size = rng.randrange(400, 1500) if self.ways.bulk_lists == "honoured" else rng.randrange(60, 200)
        self.population = Population(rng, size)
        self.key = f"{rng.getrandbits(128):032x}"
        self.world = server.account(self.key)
        self.project = Project(root, server.url, {"AUTOPILOT_API_KEY": self.key}, HastyClock())
        self.span, self.changed = 1.5, 0
        self.last_run = ""

    def round(self, most: int) -> None:
        """Change the people, kill one to three runs, and let one pass: then all is as it was declared."""
        self.changed = self.population.change()
        self.project.declare(*self.population.documents(self.server.url))
        self.project.people(COLUMNS, self.population.rows())
        self.tap.take()
        seen: list[list[Seen]] = []
        allowed = []
        for _ in range(min(most, self.rng.choice([1, 1, 2, 3]))):
            self._behave(*faults(self.rng))
            killed = self._killed()
            seen.append(self.tap.take())
            allowed.append(width(RATE) if killed else 0)
            self._check_left(killed=killed, sent=bool(seen[-1]))
        self._behave()
        _, run = self.project.apply()
        assert run.status is RunStatus.SUCCESSFUL, run
        seen.append(self.tap.take())
        self.score.requests += sum(map(len, seen))
        for number, most_repeated in enumerate(allowed, 1):
            again = repeated(seen[number - 1], chain(*seen[number:]))
            assert again <= most_repeated, f"{again} requests were made again"
            self.score.repeated += again
        self._check()

    def _behave(self, *struck: Fault) -> None:
        known = {name: getattr(self.ways, name) for name in self.ways.__slots__}
        self.server.switches = Switches(**known | {"faults": struck})

    def _killed(self) -> bool:
        """Start a run, and kill it at a random moment; False: it had ended by then."""
        command = [sys.executable, swift.__file__, "-C", str(self.project.root), "apply", "--yes"]
        environ = {**os.environ, **self.project.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        began = time.monotonic()
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._wait(process)
        finally:
            process.kill()
            code = process.wait()
            self.tap.settle()
        if code == -9:
            self.score.kills += 1
            return True
        self.span = time.monotonic() - began
        self.score.escaped += 1
        return False

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a moment that is uniform in the time of a run, or in its requests: half of its time is reading."""
        began = time.monotonic()
        if self.rng.random() < 0.25:
            until, requests = began + self.rng.uniform(0, self.span), sys.maxsize
        else:
            until, requests = began + PATIENCE, 1 + int(self._expected() * self.rng.random() ** 2)
        while process.poll() is None and self.tap.begun < requests and (now := time.monotonic()) < until:
            time.sleep(min(0.001, until - now))
        assert time.monotonic() - began < PATIENCE, "a run does not end"
        time.sleep(self.rng.choice([0, 0, self.rng.uniform(0, 0.02)]))

    def _expected(self) -> int:
        """Guess how many requests a run makes: who leaves takes one for each list, whatever comes in bulk."""
        if self.ways.bulk_lists != "honoured":
            return 3 + self.changed
        return 3 + (self.changed // 3 if self.last_run else self.changed // 80)

    def _check_left(self, *, killed: bool, sent: bool) -> None:
        """What a run left: nothing was sent that was not announced before, and the history knows how it ended."""
        shop = self.project.shop()
        declarations = shop.declarations()
        digests, _ = shop.digests(self.project.root, make=False)
        with shop.recorded(declarations) as ledger:
            runs = ledger.runs(limit=1)
            known = {c.key: set(c.slots) for c in ledger.claims("account")}
            for claim in ledger.claims("account"):
                known[claim.key] |= set(claim.slots)
            lists = {entry.title: entry.slot for entry in ledger.lists("account")}
            doubts = {(key, doubt.slot) for doubt in ledger.doubtful("account") for key in doubt.keys}
        for title in TITLES:
            for address in self.world.members(title):
                key, slot = digests.person(address), lists[title]
                assert slot in known.get(key, ()) or (key, slot) in doubts, "somebody is on a list without a trace"
        assert not any(run.status is RunStatus.RUNNING for run in runs)
        fresh = bool(runs) and runs[0].id != self.last_run
        self.last_run = runs[0].id if runs else ""
        if sent:
            assert fresh, "requests were sent by a run that the history does not know"
        if killed and fresh and runs[0].ended is None:
            assert runs[0].status is RunStatus.INTERRUPTED
            self.score.interrupted += 1

    def _check(self) -> None:
        """After a run that passed: both worlds are the declared one, and a plan finds nothing to do."""
        self.population.check(self.world)
        shop = self.project.shop()
        digests, _ = shop.digests(self.project.root, make=False)
        with shop.recorded(shop.declarations()) as ledger:
            assert ledger.doubtful("account") == ()
            self.last_run = ledger.runs(limit=1)[0].id
            slots = {entry.slot: entry.title for entry in ledger.lists("account")}
            recorded = {(slots[slot], claim.key) for claim in ledger.claims("account") for slot in claim.slots}
        assert recorded == {(title, digests.person(mail)) for title in TITLES for mail in self.population.on(title)}
        assert not self.project.plan().changes
        assert self.tap.take() == []


def ways(rng: random.Random) -> Switches:
    """Draw how a server behaves where nobody knows how Autopilot does."""
    return Switches(
        bulk_lists=rng.choice(["honoured", "honoured", "ignored", "first"]),
        gone_list=rng.choice(["refuse", "ignore"]),
        bad_row=rng.choice(["refuse", "drop"]),
        map_keys=rng.choice(["lower", "asis"]),
        twin_titles=rng.choice(["conflict", "second", "existing"]),
        list_answer=rng.choice(["id", "message"]),
        not_modified=rng.choice([True, False]),
        unknown_list=rng.choice(["text", "empty"]),
        rate=0,
        retry_after=rng.choice([None, 1]),
        latency=rng.choice([0.0, 0.002, 0.01]),
    )


def faults(rng: random.Random) -> list[Fault]:
    """Draw what breaks in one run."""
    kinds = ["500-before", "500-after", "408-after", "reset-before", "reset-after", "html-after", "cut-after"]
    kinds += ["slow-after", "429", "partial"] + ["401-from-now"] * (rng.random() < 0.1)
    return [
        Fault(
            rng.choice(kinds),  # type: ignore[arg-type]  # each is one
            method=rng.choice([None, None, "POST", "DELETE"]),
            nth=rng.randrange(1, 20),
            count=None,
            probability=rng.choice([0.02, 0.1, 0.3]),
            seed=rng.randrange(1_000),
            seconds=rng.uniform(0, 0.2),
            retry_after=rng.choice([None, 1]),
        )
        for _ in range(rng.randrange(4))
    ]


def chaos(kills: int, seed: int) -> Score:
    """Kill so many runs, a few in each world. The draws depend on the seed alone, the moments on the machine too."""
    score = Score()
    with Sandbox(switches=Switches(rate=0)) as server:
        tap = Wiretap(server)
        number = 0
        while score.kills < kills:
            number += 1
            goal = min(kills, score.kills + KILLS_A_WORLD)
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial(server, tap, Path(folder), random.Random(f"{seed}/{number}"), score)
                try:
                    while score.kills < goal:
                        trial.round(goal - score.kills)
                except BaseException:
                    sys.stderr.write(f"world {number} of seed {seed}, {trial.ways}, after {score.kills} kills\n")
                    raise
    return score


def main() -> None:
    """Run it as long as asked for, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    score = chaos(asked.kills, asked.seed)
    sys.stdout.write(f"seed {asked.seed}: {score}\n")
    assert score.repeated <= score.kills * width(RATE)


if __name__ == "__main__":
    main()
