"""A simulator: the real broker and the real sessions in one thread, in a storm of seeded faults.

The network, the processes and their clocks are simulated; the broker and the sessions of clients,
guardians and executors are the real ones. One seed gives one run. docs/simulator.md tells what is
checked and what is not modelled, docs/howto/testing.md how to run services of one's own in it.
"""

from linebus.testing.simulator.scenario import Scenario
from linebus.testing.simulator.simulation import Figures, SimulationFailed, simulate

__all__ = ["Figures", "Scenario", "SimulationFailed", "simulate"]
