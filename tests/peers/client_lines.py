"""A program of a user's: asks each line of stdin by `linebus.Client`, prints each reply's text."""

from __future__ import annotations

import sys

import linebus


def main() -> None:
    with linebus.Client(sys.argv[1], connect_timeout_s=60) as bus:
        for replies in bus.map_descriptor(sys.stdin.fileno()):
            sys.stdout.writelines(f"{reply.text}\n" for reply in replies)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
