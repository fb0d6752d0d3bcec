"""What messages mean: the broker as a pure state machine, lists in and effects out.

Nothing here opens a socket, reads a clock, draws a random number or starts a thread: time comes
in as `now`, randomness as a function given to the broker, and what is to be sent is collected.
"""
