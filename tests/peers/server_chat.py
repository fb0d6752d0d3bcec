"""A server that shows everyone each request, as in a chat, before it passes it on."""

import logging
import sys

import zmq


def main() -> None:
    ports = sys.argv[1:5]
    context = zmq.Context()
    inputs, outputs, work, done = (
        context.socket(kind) for kind in (zmq.REP, zmq.PUB, zmq.PUB, zmq.SUB)
    )
    for socket, port in zip((inputs, outputs, work, done), ports, strict=True):
        socket.bind("tcp://127.0.0.1:" + port)
    done.subscribe(b"")
    poller = zmq.Poller()
    for socket in (inputs, done):
        poller.register(socket, zmq.POLLIN)
    while True:
        for socket, _ in poller.poll():
            message = socket.recv()
            if socket is inputs:
                inputs.send(b"ack")
                logging.getLogger("server").info("request %s", message)
                outputs.send(message)
                work.send(message)
            else:
                logging.getLogger("server").info("result %s", message)
                outputs.send(message)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
