"""Every error that linebus raises, drawn as one tree; each has a code for programs.

    LinebusError
    ├── UsageError            the caller's own words are wrong             usage
    │   └── Refused           a service refuses its arguments              refused
    ├── ProtocolError         a peer's bytes make no sense (its fault)     protocol
    ├── ConnectError          no session with the server                   connect
    │   ├── NobodyListens     nothing accepts connections there            nobody_listens
    │   ├── NotLinebus        something is there, it does not greet        not_linebus
    │   ├── VersionMismatch   it speaks another version                    version
    │   └── SessionRefused    it refuses this session and says why         session_refused
    ├── NotAnswered           a called request ended otherwise             not_answered
    │   ├── Failed            the service refused or raised                failed
    │   ├── NoService         nobody has offered it                        no_service
    │   ├── NoWorker          nobody offers it now                         no_worker
    │   ├── Overloaded        the server holds as much as it can           overloaded
    │   ├── Quarantined       executors died while working on it           quarantined
    │   ├── Expired           not answered within its deadline             expired
    │   └── Cancelled         its client did not want it any more          cancelled
    ├── DeadlineExceeded      the time given to a call has passed          deadline
    └── SetupError            a process cannot start                       setup
        ├── AddressTaken      a port is in use                             address_taken
        └── ServiceNotLoaded  a worker cannot load what it should offer    service_not_loaded

A sentence says what could not be done, to which thing, and what to do now.
This module never formats, logs or decides anything.
"""

from __future__ import annotations


class LinebusError(Exception):
    """The root: whatever linebus raises on purpose is one of these."""

    code = "error"


class UsageError(LinebusError):
    """The caller's own words are wrong: an option, an address, a line."""

    code = "usage"


class Refused(UsageError):
    """A service refuses the arguments that it got.

    The text holds the reason, and the usage where the words do not fit the service's types.
    """

    code = "refused"


class ProtocolError(LinebusError):
    """A peer's bytes make no sense: its mistake, never ours.

    The server ends that peer's session; a peer drops the message.
    """

    code = "protocol"


class ConnectError(LinebusError):
    """There is no session with the server."""

    code = "connect"


class NobodyListens(ConnectError):
    """Nothing accepts connections at the address."""

    code = "nobody_listens"


class NotLinebus(ConnectError):
    """Something accepts connections at the address and does not answer a greeting."""

    code = "not_linebus"


class VersionMismatch(ConnectError):
    """The server speaks another version of the protocol."""

    code = "version"


class SessionRefused(ConnectError):
    """The server refuses this session and says why."""

    code = "session_refused"


class NotAnswered(LinebusError):
    """A request that was called ended otherwise than answered; the code is the outcome's word.

    `worker` is the public number of the executor that replied and `attempt` counts dispatches from
    1; both are 0 where no executor replied.
    """

    code = "not_answered"

    def __init__(self, text: str, worker: int = 0, attempt: int = 0) -> None:
        super().__init__(text)
        self.worker = worker
        self.attempt = attempt


class Failed(NotAnswered):
    """The service refused the arguments, or its code raised an exception."""

    code = "failed"


class NoService(NotAnswered):
    """Nobody has offered a service of this name."""

    code = "no_service"


class NoWorker(NotAnswered):
    """The service is known and no worker offers it now."""

    code = "no_worker"


class Overloaded(NotAnswered):
    """The server holds as much as it can."""

    code = "overloaded"


class Quarantined(NotAnswered):
    """Executors died while they worked on this request, too often to try again."""

    code = "quarantined"


class Expired(NotAnswered):
    """The request was not answered within its deadline."""

    code = "expired"


class Cancelled(NotAnswered):
    """The client has cancelled the request."""

    code = "cancelled"


class DeadlineExceeded(LinebusError):
    """The time that was given to a call has passed."""

    code = "deadline"


class SetupError(LinebusError):
    """A process cannot start."""

    code = "setup"


class AddressTaken(SetupError):
    """A port that the server should bind is in use."""

    code = "address_taken"


class ServiceNotLoaded(SetupError):
    """A worker cannot load a service that it should offer."""

    code = "service_not_loaded"
