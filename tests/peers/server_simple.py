"""A server as the exercise describes it: REP, PUB, PUB and SUB in one poll loop."""
# ruff: noqa: T201  what it prints is for whoever runs it

import sys

import zmq

client_inputs_port, client_outputs_port, worker_inputs_port, worker_outputs_port = sys.argv[1:5]
context = zmq.Context()

client_inputs = context.socket(zmq.REP)
client_inputs.bind(f"tcp://127.0.0.1:{client_inputs_port}")
client_outputs = context.socket(zmq.PUB)
client_outputs.bind(f"tcp://127.0.0.1:{client_outputs_port}")
worker_inputs = context.socket(zmq.PUB)
worker_inputs.bind(f"tcp://127.0.0.1:{worker_inputs_port}")
worker_outputs = context.socket(zmq.SUB)
worker_outputs.bind(f"tcp://127.0.0.1:{worker_outputs_port}")
worker_outputs.setsockopt_string(zmq.SUBSCRIBE, "")

poller = zmq.Poller()
poller.register(client_inputs, zmq.POLLIN)
poller.register(worker_outputs, zmq.POLLIN)
print("Server is running", flush=True)

try:
    while True:
        ready = dict(poller.poll())
        if client_inputs in ready:
            request = client_inputs.recv_string()
            client_inputs.send_string("ack")
            worker_inputs.send_string(request)
        if worker_outputs in ready:
            client_outputs.send_string(worker_outputs.recv_string())
except KeyboardInterrupt:
    print("Terminating server")
