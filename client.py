"""A client in plain text: `python3 client.py 5555 5556`."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    launcher = Path(__file__).resolve().parent / "src" / "linebus" / "launcher.py"
    sys.exit(runpy.run_path(str(launcher))["launch"]("client"))
