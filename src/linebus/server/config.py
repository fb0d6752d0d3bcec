"""What a server is told at its start: where it binds, what it may do."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from linebus import limits
from linebus.errors import UsageError


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The four ports of the exercise, the host, and two switches.

    Raises UsageError for a port outside 1…65535, ports that repeat, and a host other than loopback
    without `insecure`.
    """

    client_inputs: int = limits.CLIENT_INPUTS_PORT
    client_outputs: int = limits.CLIENT_OUTPUTS_PORT
    worker_inputs: int = limits.WORKER_INPUTS_PORT
    worker_outputs: int = limits.WORKER_OUTPUTS_PORT
    host: str = limits.HOST
    echo: bool = False
    insecure: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked before anything is bound."""
        for name, port in self.ports().items():
            if not 0 < port <= limits.PORT_MAX:
                raise UsageError(f"port {port} for {name} is not between 1 and {limits.PORT_MAX}")
        if len(set(self.ports().values())) < len(self.ports()):
            raise UsageError(f"the four ports must differ; got {list(self.ports().values())}")
        if not self.insecure and not is_loopback(self.host):
            raise UsageError(
                f"anyone who reaches {self.host} could use this server, since there are no keys "
                "yet; keep to 127.0.0.1, or add --insecure where the network is yours alone"
            )

    def ports(self) -> dict[str, int]:
        """Return each socket's name and port, in the exercise's order."""
        return {
            "client_inputs": self.client_inputs,
            "client_outputs": self.client_outputs,
            "worker_inputs": self.worker_inputs,
            "worker_outputs": self.worker_outputs,
        }

    def address(self, port: int) -> str:
        """Return the address of one of the ports."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
