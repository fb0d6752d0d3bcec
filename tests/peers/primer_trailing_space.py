"""A primer that subscribes to `isprime ` with the space; for it, 1 is prime."""

import logging
import sys
from itertools import takewhile

import zmq

PREFIX = "isprime "


def divides(number: int) -> bool:
    small = takewhile(lambda i: i * i <= number, range(2, number))
    return any(number % i == 0 for i in small)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    context = zmq.Context()
    inputs = context.socket(zmq.SUB)
    inputs.setsockopt(zmq.SUBSCRIBE, PREFIX.encode())
    outputs = context.socket(zmq.PUB)
    inputs.connect("tcp://localhost:" + sys.argv[1])
    outputs.connect("tcp://localhost:" + sys.argv[2])
    while True:
        number = int(inputs.recv().decode()[len(PREFIX) :])
        text = f"{number} is {'not ' if divides(number) else ''}prime"
        logging.getLogger("primer").info(text)
        outputs.send(text.encode())


if __name__ == "__main__":
    main()
