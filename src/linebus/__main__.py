"""`python -m linebus` is `linebus`."""

from linebus.cli.main import entry

if __name__ == "__main__":
    entry()
