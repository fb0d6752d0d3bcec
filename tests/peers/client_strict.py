"""A client that accepts `ack` as a confirmation and stops at anything else."""

import sys
import threading

import zmq

CONTEXT: zmq.Context[zmq.Socket[bytes]] = zmq.Context()


def listen(port: str) -> None:
    socket = CONTEXT.socket(zmq.SUB)
    socket.connect("tcp://127.0.0.1:" + port)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    while True:
        sys.stdout.write(socket.recv().decode("utf-8") + "\n")
        sys.stdout.flush()


def ask(port: str) -> None:
    socket = CONTEXT.socket(zmq.REQ)
    socket.connect("tcp://127.0.0.1:" + port)
    for line in sys.stdin:
        if line.strip():
            socket.send(line.strip().encode("utf-8"))
            confirmation = socket.recv()
            if confirmation != b"ack":
                sys.exit(f"unexpected confirmation: {confirmation!r}")


threading.Thread(target=listen, args=sys.argv[2:3], daemon=True).start()
ask(sys.argv[1])
