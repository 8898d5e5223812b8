"""A whole project runs for minutes while everything around it breaks; afterwards it must have caught up by itself.

    python -m proof.soak --minutes 10              a seed by chance, which is printed
    python -m proof.soak --minutes 10 --seed 4711  these storms again

Three systems keep changing, and two tell of each change by webhook. Schedules, sensors and the daemon do all the work.
At moments drawn from the seed a system misbehaves, the daemon is killed, PostgreSQL is stopped at once, a run's process
is killed. A supervisor starts again what ended, and who sends a webhook sends it again until it is taken: nothing else
helps. How the processes interleave is not part of the seed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import requests

from proof import aftermath
from proof.memory import Memory
from proof.project import Project, project, start
from proof.systems import System, systems
from proof.waiting import changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CATCH_UP_SECONDS = 300.0
"""So long after the last storm everything must be as if there had been none: the longest wait of any part is that of an
event whose runs failed in a row (four minutes after the fifth), and storms of a system are shorter than that."""

CHANGES_A_SECOND = 4.0
NEW_EVERY = 8  # changes, one is a new record
_TOLD_TWICE = 0.1  # of all deliveries, as at-least-once senders do
_BEAT_SECONDS = 1.0
_SCHEDULE = "{{enabled: true, cron: '* * * * *', full_cron: {seldom}, reconcile_cron: {seldom}}}"
_SELDOM_SECONDS = 300.0

Say = Any


class Storm(StrEnum):
    """What happens to the project."""

    FAULTS = "faults"
    CALM = "calm"
    DAEMON = "daemon killed"
    DATABASE = "PostgreSQL stopped"
    WORKER = "run killed"


KILLS = (Storm.DAEMON, Storm.DATABASE, Storm.WORKER)


@dataclass(frozen=True, slots=True, order=True)
class Strike:
    """One thing that happens.

    Attributes:
        at: seconds after the beginning.
        system: whose faults begin or end.
    """

    at: float
    what: Storm
    system: str = ""
    faults: tuple[str, ...] = ()


def forecast(dice: random.Random, seconds: float, faults: Mapping[str, Sequence[str]]) -> list[Strike]:
    """What will happen, in order. Pure.

    Each minute one system misbehaves for up to half of it; every three minutes each process is struck once. The daemon
    is killed in the first half, so that the memory of the last one can be watched for the other half.

    Args:
        dice: seeded.
        seconds: how long the storms last.
        faults: what may go wrong, by system.
    """
    strikes = []
    rounds = max(1, round(seconds / 60))
    for number in range(rounds):
        slot = seconds / rounds
        began = slot * number + dice.uniform(0, slot / 4)
        system = dice.choice(sorted(faults))
        chosen = tuple(dice.sample(list(faults[system]), dice.choice((1, 2))))
        strikes.append(Strike(began, Storm.FAULTS, system, chosen))
        strikes.append(Strike(began + dice.uniform(slot / 4, slot / 2), Storm.CALM, system))
    for what in KILLS:
        last = 0.5 if what is Storm.DAEMON else 0.9
        strikes += [Strike(seconds * dice.uniform(0.1, last), what) for _ in range(max(1, round(seconds / 180)))]
    return sorted(strikes)


@dataclass(slots=True)
class Told:
    """What a system was changed to, and told of.

    Attributes:
        names: each record's names in order, by its key.
        new: how many records were added.
        events: how many changes were told of.
        unanswered: deliveries that the receiver has not taken yet.
    """

    names: dict[str, list[str]] = field(default_factory=dict)
    new: int = 0
    events: int = 0
    unanswered: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Soak:
    """One soak.

    Attributes:
        findings: what was wrong, empty for a good one.
        happened: how often what happened.
        caught_up: seconds it took after the storms.
    """

    place: Project
    systems: Mapping[str, System]
    dice: random.Random
    seconds: float
    say: Say
    told: dict[str, Told] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    killed: list[str] = field(default_factory=list)
    caught_up: float = 0.0
    _wanted: int = 0  # runs to kill, as soon as there is one
    _began: float = field(default_factory=time.monotonic)
    _beaten: float = 0.0
    _minute: int = 0

    def whole(self) -> None:
        """Storms, calm, and a look at what is left."""
        self.told = {name: Told() for name in self.systems}
        self._storms()
        for system in self.systems.values():
            system.simulator.clear_faults()
        self._catch_up()
        self.findings += self.memory.findings()
        self.place.wind_down()
        self.findings += aftermath.findings(self.place, self.systems, self.told)

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def _storms(self) -> None:
        coming = forecast(self.dice, self.seconds, {name: one.faults for name, one in self.systems.items()})
        number, patience = 0, self.seconds + 60
        self._began = time.monotonic()
        while (now := self._now) < self.seconds or (self._wanted and now < patience):
            while coming and coming[0].at <= now:
                self._strike(coming.pop(0))
            self._change(number)
            number += 1
            self._beat()
            time.sleep(max(0.0, now + 1 / CHANGES_A_SECOND - self._now))
        if self._wanted:
            self.findings.append("no run was under way that could be killed")

    def _strike(self, strike: Strike) -> None:
        self.happened[strike.what] += strike.what is not Storm.CALM
        self.say(f"  {self._now:5.0f} s  {strike.what} {strike.system} {' '.join(strike.faults)}".rstrip())
        match strike.what:
            case Storm.FAULTS | Storm.CALM:
                self.systems[strike.system].simulator.set_faults(strike.faults)
            case Storm.DAEMON:
                self.place.services["daemon"].kill()
            case Storm.DATABASE:
                self.place.restart_database()
            case Storm.WORKER:
                self._wanted += 1

    def _change(self, number: int) -> None:
        """One record of one system gets a name that none ever had."""
        system = self.systems[self.dice.choice(sorted(self.systems))]
        told, name = self.told[system.name], f"Soaked {number}"
        key = self.dice.choice(system.keys)
        if self.dice.randrange(NEW_EVERY) == 0:
            key, told.new = system.key(told.new), told.new + 1
        at = datetime.now(UTC)
        system.put(key, name, at)
        told.names.setdefault(key, []).append(name)
        self.happened["changes"] += 1
        if system.notice:
            message = system.notice(key, number, at)
            told.events += 1
            told.unanswered += [message] * (1 + (self.dice.random() < _TOLD_TWICE))
            self._send(system.name)

    def _send(self, name: str) -> None:
        """Send what waits, in order, until something is not taken."""
        waiting = self.told[name].unanswered
        with suppress(requests.RequestException):
            while waiting:
                headers, body = waiting[0]
                url = f"http://127.0.0.1:{self.place.receiver}/webhooks/{name}"
                answer = requests.post(url, data=body, headers=dict(headers), timeout=5)
                self.happened[f"deliveries answered {answer.status_code}"] += 1
                if not answer.ok:
                    return
                waiting.pop(0)

    def _beat(self) -> None:
        """Once a second: what a supervisor does, and a look around."""
        now = self._now
        if now < self._beaten + _BEAT_SECONDS:
            return
        self._beaten = now
        self.happened["restarts"] += len(self.place.tend())
        if self._wanted:
            self._kill_a_run()
        self.memory.look(self.place.services, now)
        if now >= 60 * (self._minute + 1):
            self._minute += 1
            self.say(f"{self._minute:3d} min: {self._state()}")

    def _kill_a_run(self) -> None:
        for run, pid in reversed(self.place.workers()):
            if run not in self.killed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(run)
                    self._wanted -= 1
                    return

    def _state(self) -> str:
        return f"{self.happened['changes']} changes; {'; '.join(self._behind()) or 'all caught up'}"

    def _catch_up(self) -> None:
        """Wait until everything has arrived, with nobody's help."""
        began = self._now
        self.say(f"  {began:5.0f} s  the storms are over; catching up …")
        while left := self._behind():
            self.caught_up = self._now - began
            if self.caught_up > CATCH_UP_SECONDS:
                self.findings += [f"{CATCH_UP_SECONDS:.0f} s after the storms: {what}" for what in left]
                return
            for name in self.systems:
                self._send(name)
            self._beat()
            time.sleep(0.5)
        self.caught_up = self._now - began

    def _behind(self) -> list[str]:
        """What has not arrived yet."""
        try:
            return aftermath.behind(self.place, self.systems, self.told, self.killed)
        except psycopg.OperationalError as error:
            return [f"the database does not answer: {type(error).__name__}"]


def soak(
    seed: int, seconds: float, folder: Path, *, say: Say = print, instance: Mapping[str, Any] | None = None
) -> Soak:
    """One soak from its seed.

    Args:
        seed: of the storms and the systems.
        seconds: how long the storms last.
        folder: an empty one.
        say: told about progress.
        instance: what stands in `dagster.yaml` instead of the project's own, by section.
    """
    with systems(seed) as made:
        schedule = _SCHEDULE.format(seldom="'*/5 * * * *'" if seconds >= _SELDOM_SECONDS else "null")
        declared = {one.name: one.declaration.replace("SCHEDULE", schedule) for one in made}
        variables = {name: value for one in made for name, value in one.variables.items()}
        with project(folder, declared, variables, instance=instance) as place:
            aftermath.sync_all(place, place.url, "landing")
            start(place)
            found = Soak(place, {one.name: one for one in made}, random.Random(seed), seconds, say)
            with changes(place.url, "public.job_ticks") as told:
                told.until(lambda: place.rows("SELECT 1 FROM public.job_ticks LIMIT 1"), "the daemon ticks")
            found.whole()
            return found


def main(arguments: Sequence[str] | None = None, *, instance: Mapping[str, Any] | None = None) -> int:
    """The command line; 1 when something was wrong. `instance` is that of `soak`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(100_000))
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="soak_"))
    print(f"seed {given.seed}, {given.minutes:g} minutes, in {folder}", flush=True)
    say = partial(print, flush=True)
    done = soak(given.seed, given.minutes * 60, folder, say=say, instance=instance)
    for name, count in sorted(done.happened.items()):
        print(f"{count:6d} {name}")
    print(f"caught up {done.caught_up:.0f} s after the storms; {done.memory}")
    for name, service in done.place.services.items():
        print(f"{name}: killed {service.killed} times, fell {service.fell} times by itself")
    if done.findings:
        again = f"python -m proof.soak --minutes {given.minutes:g} --seed {given.seed}"
        print(f"seed {given.seed}; logs in {folder}; again: {again}", *done.findings, sep="\n  ", flush=True)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    print("nothing lost, nothing twice, everything caught up")
    return 0


if __name__ == "__main__":
    sys.exit(main())
