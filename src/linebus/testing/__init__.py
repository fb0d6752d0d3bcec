"""For users' own tests: a bus in this process, without sockets and without waiting.

Its broker, sessions and services are the real ones; only the network, the processes and the clock
are not. `import linebus` does not import it. docs/howto/testing.md shows how to use it.
"""

from linebus.testing.bus import Bus
from linebus.testing.client import Client
from linebus.testing.clock import Clock
from linebus.testing.faults import Fault
from linebus.testing.simulator import Figures, Scenario, SimulationFailed, simulate
from linebus.testing.worker import Worker

__all__ = [
    "Bus",
    "Client",
    "Clock",
    "Fault",
    "Figures",
    "Scenario",
    "SimulationFailed",
    "Worker",
    "simulate",
]
