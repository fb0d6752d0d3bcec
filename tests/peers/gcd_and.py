"""A worker for greatest common divisors whose results say `gcd for A and B is C`."""

import math
import sys

import zmq

context = zmq.Context()
sub = context.socket(zmq.SUB)
sub.connect(f"tcp://127.0.0.1:{sys.argv[1]}")
sub.setsockopt_string(zmq.SUBSCRIBE, "gcd")
pub = context.socket(zmq.PUB)
pub.connect(f"tcp://127.0.0.1:{sys.argv[2]}")

while True:
    words = sub.recv_string().split()
    try:
        a, b = (int(word) for word in words[1:])
    except ValueError:
        pub.send_string("gcd needs two numbers")
        continue
    pub.send_string(f"gcd for {a} and {b} is {math.gcd(a, b)}")
