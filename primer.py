"""A worker that tells primes: `python3 primer.py 5557 5558`."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    launcher = Path(__file__).resolve().parent / "src" / "linebus" / "launcher.py"
    sys.exit(runpy.run_path(str(launcher))["launch"]("primer"))
