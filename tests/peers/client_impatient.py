"""A client that ends where its confirmation takes longer than 100 ms."""
# ruff: noqa: T201  what it prints is its purpose

import sys

import zmq

TIMEOUT = 100

ctx = zmq.Context()
push = ctx.socket(zmq.REQ)
push.setsockopt(zmq.RCVTIMEO, TIMEOUT)
push.setsockopt(zmq.LINGER, 0)
push.connect("tcp://127.0.0.1:%s" % sys.argv[1])  # noqa: UP031  as its author learned it
sub = ctx.socket(zmq.SUB)
sub.setsockopt(zmq.RCVTIMEO, TIMEOUT)
sub.connect("tcp://127.0.0.1:%s" % sys.argv[2])  # noqa: UP031
sub.setsockopt(zmq.SUBSCRIBE, b"")

while True:
    try:
        text = input("> ")
    except EOFError:
        break
    if text != "":
        push.send_string(text)
        print("server:", push.recv_string())
    try:
        while True:
            print(sub.recv_string(), flush=True)
    except zmq.error.Again:
        continue
