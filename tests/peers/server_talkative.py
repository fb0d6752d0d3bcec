"""A server that confirms in words of its own, and looks at one socket after the other."""
# ruff: noqa: T201  what it prints is for whoever runs it

import sys

import zmq


class Server:
    def __init__(self, ports: list[str]) -> None:
        self.context = zmq.Context()
        self.from_clients = self.bind(zmq.REP, ports[0])
        self.to_clients = self.bind(zmq.PUB, ports[1])
        self.to_workers = self.bind(zmq.PUB, ports[2])
        self.from_workers = self.bind(zmq.SUB, ports[3])
        self.from_workers.setsockopt(zmq.SUBSCRIBE, b"")

    def bind(self, kind: int, port: str) -> zmq.Socket[bytes]:
        socket = self.context.socket(kind)
        socket.bind(f"tcp://127.0.0.1:{port}")
        return socket

    def run(self) -> None:
        while True:
            if self.from_clients.poll(20):
                command = self.from_clients.recv_string()
                print("received:", command, flush=True)
                self.from_clients.send_string(f"Command '{command}' received, thank you!")
                self.to_workers.send_string(command)
            while self.from_workers.poll(20):
                result = self.from_workers.recv_string()
                print("publishing:", result, flush=True)
                self.to_clients.send_string(result)


if __name__ == "__main__":
    Server(sys.argv[1:]).run()
