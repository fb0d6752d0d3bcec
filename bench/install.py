"""Install linebus and what it is compared with into this environment, as far as that is possible.

    python bench/install.py requirements/run.txt requirements/bench.txt      (make bench)

What the first file names has to be there. Of the second everything is installed at once; where
that fails, one package after the other, and what cannot be installed is named and left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]


def install(*arguments: str) -> bool:
    return subprocess.run([*PIP, *arguments], check=False).returncode == 0


def one_by_one(pinned: Path) -> list[str]:
    """Install each package of a file of pins; return those that cannot be."""
    missing = []
    for pin in re.split(r"\n(?=\w)", pinned.read_text("utf-8")):
        if "==" in pin:
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as alone:
                alone.write(pin)
                alone.flush()
                if not install("--no-deps", "--require-hashes", "-r", alone.name):
                    missing.append(pin.split("==", 1)[0])
    return missing


def main() -> None:
    needed, peers = sys.argv[1:]
    if not install("-r", needed) or not install("--no-deps", "--no-build-isolation", "-e", "."):
        sys.exit("linebus: what linebus itself needs cannot be installed")
    if install("-r", peers):
        return
    print("linebus: not all can be installed at once; trying one by one", file=sys.stderr)
    missing = one_by_one(Path(peers))
    print(f"linebus: left out: {', '.join(missing) or 'nothing'}", file=sys.stderr)


if __name__ == "__main__":
    main()
