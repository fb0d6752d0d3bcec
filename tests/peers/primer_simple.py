"""A primer by trial division; a line that is not `isprime N` is the end of it."""
# ruff: noqa: T201  what it prints is for whoever runs it

import sys

import zmq


def is_prime(number: int) -> bool:
    if number < 2:
        return False
    return all(number % divisor != 0 for divisor in range(2, int(number**0.5) + 1))


context = zmq.Context()
worker_inputs = context.socket(zmq.SUB)
worker_inputs.connect(f"tcp://127.0.0.1:{sys.argv[1]}")
worker_inputs.setsockopt_string(zmq.SUBSCRIBE, "isprime")
worker_outputs = context.socket(zmq.PUB)
worker_outputs.connect(f"tcp://127.0.0.1:{sys.argv[2]}")
print("Primer is running", flush=True)

while True:
    n = int(worker_inputs.recv_string().split(" ")[1])
    result = f"{n} is prime" if is_prime(n) else f"{n} is not prime"
    print(result, flush=True)
    worker_outputs.send_string(result)
