"""What is asked and who answers: a scenario, given by a user or drawn from a seed.

A service is known to the simulator by its function of text. What it makes of a line when it runs
alone is what every asker must hear of that line, whatever happens around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from linebus.client.session import split
from linebus.core.lifecycle import Outcome
from linebus.errors import Refused
from linebus.testing.peers import Offered, of_function, of_service
from linebus.wire.messages import Ended
from linebus.worker.answering import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from linebus.client.reply import Reply
    from linebus.services.catalog import AnyService


@dataclass(frozen=True)
class Scenario:
    """Services of your own, and the lines that clients ask of them while faults strike.

    `requests` lines are drawn from `lines` in every run, over `duration_s` simulated seconds. Each
    takes between `cost_s[0]` and `cost_s[1]`. `faults` are the kinds that may strike, all where it
    is None. `check` says what is wrong with a reply that was answered or failed, or None; without
    it a reply has to be what the service makes of the line when it runs alone.
    """

    services: Sequence[AnyService]
    lines: Sequence[str]
    requests: int = 100
    clients: int = 2
    workers: int = 2
    procs: int = 2
    duration_s: float = 8.0
    cost_s: tuple[float, float] = (0.0001, 0.05)
    faults: Sequence[str] | None = None
    check: Callable[[str, Reply], str | None] | None = None


class Expected(NamedTuple):
    """How a line ends where nothing else goes wrong; `outcome` None: it kills its executor."""

    outcome: Outcome | None
    text: str = ""


@dataclass
class Troupe:
    """Workers of one kind: what they offer, how many there are, with how many executors each.

    `time_limits_s` is how long a line of a service may take, where that is bounded.
    """

    offered: Sequence[Offered]
    workers: int
    procs: int
    time_limits_s: dict[str, float] = field(default_factory=dict)


@dataclass
class Plan:
    """What happens in a run, but for the faults: drawn before it begins.

    `asks` is who asks what when, by the number of the client; `deadlines_s` of which each draws
    one. `cost_s` are the bounds between which
    a line of a service is drawn to take; `flood` names what is asked in floods.
    """

    clients: int
    troupes: list[Troupe]
    asks: list[tuple[float, int, list[str]]]
    duration_s: float
    cost_s: dict[str, tuple[float, float]]
    faults: Sequence[str] | None = None
    check: Callable[[str, Reply], str | None] | None = None
    deadlines_s: Sequence[float] = (inf,)
    is_tight: bool = False
    flood: str = ""
    _answers: dict[str, Callable[[str], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Note who answers what."""
        for troupe in self.troupes:
            self._answers |= {each.offer.name: each.answer for each in troupe.offered}

    def offers(self, service: str) -> bool:
        """Return whether any worker of this run ever offers a service."""
        return service in self._answers

    def expected(self, line: str) -> Expected:
        """Return how a line ends where nothing else goes wrong."""
        parts = split(line)
        if isinstance(parts, Ended) or parts[0] not in self._answers:
            return Expected(Outcome.NO_SERVICE)
        service, arguments = parts
        try:
            text, failed = answer_of(self._answers[service], service, arguments)
        except SystemExit:
            return Expected(None)
        return Expected(Outcome.FAILED if failed else Outcome.ANSWERED, text)


def plan_of(scenario: Scenario, random: Random) -> Plan:
    """Draw one run of a user's scenario."""
    asks: list[tuple[float, int, list[str]]] = []
    left = scenario.requests
    while left > 0:
        count = min(left, random.choice([1, 1, 3, 20]))
        left -= count
        at = random.uniform(0, scenario.duration_s)
        lines = [random.choice(scenario.lines) for _ in range(count)]
        asks.append((at, random.randrange(scenario.clients), lines))
    offered = [of_service(each) for each in scenario.services]
    return Plan(
        scenario.clients,
        [Troupe(offered, scenario.workers, scenario.procs)],
        asks,
        scenario.duration_s,
        {each.offer.name: scenario.cost_s for each in offered},
        scenario.faults,
        scenario.check,
    )


# -- the simulator's own scenario ------------------------------------------------------------


def _echo(arguments: str) -> str:
    return f"answer to {arguments}"


def _refuse(arguments: str) -> str:
    raise Refused(f"no answer to {arguments}")


def _break(arguments: str) -> str:
    raise ValueError(f"it breaks at {arguments}")


def _kill(_arguments: str) -> str:
    raise SystemExit(1)


def _long(arguments: str) -> str:
    return f"{arguments} " * 40


class _Behaviour(NamedTuple):
    """A service of the simulator's own: how it answers, how long that takes, how often at most.

    An executor does `at_once` lines of it at a time, none for longer than `time_limit_s`.
    """

    answer: Callable[[str], str]
    cost_s: tuple[float, float]
    weight: float
    lines_max: int = 1_000_000
    at_once: int = 0
    time_limit_s: float = 0.0


# Adding a behaviour is adding a line here. What is stuck or kills holds an executor up for long,
# so a run has few of these lines: everything has to end soon after the faults.
_BEHAVIOURS = {
    "echo": _Behaviour(_echo, (1e-6, 2e-4), 12),
    "other": _Behaviour(_echo, (1e-5, 3e-3), 4),
    "slow": _Behaviour(_echo, (0.02, 0.4), 1, 30),
    "stuck": _Behaviour(_echo, (2.0, 6.0), 0.05, 2),
    "refuse": _Behaviour(_refuse, (1e-6, 1e-3), 1),
    "break": _Behaviour(_break, (1e-6, 1e-3), 1),
    "lethal": _Behaviour(_kill, (1e-3, 0.05), 0.2, 3),
    "long": _Behaviour(_long, (1e-5, 1e-3), 1),
    "rare": _Behaviour(_echo, (1e-5, 1e-2), 1),
    "several": _Behaviour(_echo, (1e-3, 0.3), 2, 200, at_once=4),
    "bounded": _Behaviour(_echo, (0.01, 0.3), 0.5, 10, time_limit_s=0.1),
}
_COMMON = ("echo", "refuse", "break", "lethal", "stuck", "long", "several", "bounded")
_BURSTS = (1, 1, 1, 2, 5, 20, 80)


def _draw_lines(random: Random, weights: dict[str, float], left: dict[str, int]) -> list[str]:
    """Draw lines that are asked at once; each differs from all others of the run."""
    lines = []
    for _ in range(random.choice(_BURSTS)):
        [name] = random.choices([*weights], [*weights.values()])
        if name == "never":
            name = f"never{random.randrange(6)}"
        elif left[name] == 0:
            name = "echo"
        else:
            left[name] -= 1
        left["number"] += 1
        lines.append(f"{name} {left['number']}")
    return lines


def draw_plan(random: Random) -> Plan:
    """Draw one run of the simulator's own scenario."""
    offered = {
        name: of_function(name, each.answer, each.at_once) for name, each in _BEHAVIOURS.items()
    }
    time_limits_s = {name: each.time_limit_s for name, each in _BEHAVIOURS.items()}
    troupes = [
        Troupe([offered[name] for name in (*_COMMON, "other", "slow")], 1, random.choice([1, 2])),
        Troupe([offered[name] for name in ("echo", "other", "slow")], random.choice([0, 1, 2]), 2),
        Troupe([offered["rare"]], 1, 1),
        Troupe([offered[name] for name in _COMMON], random.choice([0, 1]), random.choice([1, 3])),
    ]
    clients = random.choice([1, 2, 3, 5])
    duration_s = random.choice([1.0, 4.0, 10.0])
    weights = {n: each.weight * random.choice([0.2, 1, 3]) for n, each in _BEHAVIOURS.items()}
    weights["never"] = random.choice([0.0, 0.3])
    left = {name: each.lines_max for name, each in _BEHAVIOURS.items()} | {"number": 0}
    asks = [
        (
            random.uniform(0, duration_s),
            random.randrange(clients),
            _draw_lines(random, weights, left),
        )
        for _ in range(random.choice([5, 15, 30]))
    ]
    for troupe in troupes:
        troupe.time_limits_s = time_limits_s
    cost_s = {name: each.cost_s for name, each in _BEHAVIOURS.items()}
    is_tight = random.random() < 0.5  # noqa: PLR2004  half of the runs
    deadlines_s = random.choice([(inf,), (inf, inf, 0.01, 0.5, 5.0)])
    return Plan(
        clients,
        troupes,
        asks,
        duration_s,
        cost_s,
        deadlines_s=deadlines_s,
        is_tight=is_tight,
        flood="echo",
    )
