"""A primer that subscribes to everything, and answers in words of its own."""
# ruff: noqa: T201  what it prints is for whoever runs it

import sys

import zmq


class Primer:
    def __init__(self, inputs: str, outputs: str) -> None:
        self.context = zmq.Context()
        self.inputs = self.context.socket(zmq.SUB)
        self.inputs.connect("tcp://127.0.0.1:" + inputs)
        self.inputs.setsockopt_string(zmq.SUBSCRIBE, "")
        self.outputs = self.context.socket(zmq.PUB)
        self.outputs.connect("tcp://127.0.0.1:" + outputs)

    def answer(self, line: str) -> None:
        command, *arguments = line.split()
        if command == "isprime" and len(arguments) == 1 and arguments[0].isdigit():
            number = int(arguments[0])
            divisors = [i for i in range(1, number + 1) if number % i == 0]
            verdict = "is prime" if divisors == [1, number] else "is not prime"
            self.outputs.send_string(f"Primer: {number} {verdict}")

    def run(self) -> None:
        while True:
            line = self.inputs.recv_string()
            print("heard", line, flush=True)
            if line.strip():
                self.answer(line)


Primer(*sys.argv[1:3]).run()
