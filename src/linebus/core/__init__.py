"""What messages mean: the broker as a pure state machine, lists in and effects out.

`broker` puts the others together. Two modules are for the other side: `peer` is what the sessions
of clients and workers have in common, and `intervals` serves both ends.

Nothing here opens a socket, reads a clock, draws a random number or starts a thread: time comes
in as `now`, randomness as a function given to the broker, and what is to be sent is collected.
"""
