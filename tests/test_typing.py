"""A user's code passes `mypy --strict`: the Python examples of README and docs/python.md do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import linebus
from tests.docs.documents import blocks

PAGES = ("README.md", "docs/python.md")


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(linebus.__file__).parent / "py.typed").exists()


def test_the_examples_pass_a_strict_check(tmp_path: Path) -> None:
    scripts = []
    for page in PAGES:
        for block in blocks(page):
            if block.kind == "python":
                script = tmp_path / f"{Path(page).stem.lower()}_{block.line}.py"
                script.write_text(block.text, "utf-8")
                scripts.append(script.name)
    assert len(scripts) > len(PAGES)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *scripts],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""
