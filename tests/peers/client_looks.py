"""A client that looks for results for 100 ms after each Enter; it sends empty lines as well."""
# ruff: noqa: T201  what it prints is its purpose

import sys

import zmq

context = zmq.Context()
requests = context.socket(zmq.REQ)
requests.connect(f"tcp://localhost:{sys.argv[1]}")
results = context.socket(zmq.SUB)
results.connect(f"tcp://localhost:{sys.argv[2]}")
results.setsockopt_string(zmq.SUBSCRIBE, "")
results.setsockopt(zmq.RCVTIMEO, 100)

try:
    while True:
        line = input("> ")
        requests.send_string(line)
        requests.recv_string()
        try:
            while True:
                print(results.recv_string(), flush=True)
        except zmq.Again:
            pass
except (KeyboardInterrupt, EOFError):
    print("Terminating client")
    context.destroy(linger=0)
