"""A client that shows at most one result for each Enter."""

import sys

import zmq


def main(inputs_port: int, outputs_port: int) -> None:
    context = zmq.Context()
    with context.socket(zmq.SUB) as outputs, context.socket(zmq.REQ) as inputs:
        outputs.subscribe("")
        outputs.connect(f"tcp://127.0.0.1:{outputs_port}")
        inputs.connect(f"tcp://127.0.0.1:{inputs_port}")
        while True:
            sys.stdout.write("> ")
            sys.stdout.flush()
            command = sys.stdin.readline()
            if not command:
                break
            if command.strip():
                inputs.send(command.strip().encode())
                inputs.recv()
            if outputs.poll(100):
                sys.stdout.write(outputs.recv().decode() + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
