"""A worker for greatest common divisors that dies of malformed lines, and of zero."""
# ruff: noqa: T201  what it prints is for whoever runs it

import sys

import zmq


def gcd(a: int, b: int) -> int:
    while a % b:
        a, b = b, a % b
    return b


context = zmq.Context()
receiver = context.socket(zmq.SUB)
receiver.connect("tcp://localhost:%d" % int(sys.argv[1]))  # noqa: UP031  as its author learned it
receiver.setsockopt(zmq.SUBSCRIBE, b"gcd")
sender = context.socket(zmq.PUB)
sender.connect("tcp://localhost:%d" % int(sys.argv[2]))  # noqa: UP031

while True:
    _, a_text, b_text = receiver.recv().decode().split(" ")
    answer = f"gcd for {a_text} {b_text} is {gcd(int(a_text), int(b_text))}"
    print(answer, flush=True)
    sender.send(answer.encode())
