"""What documents name as the proof of a promise is a test, or a folder of tests."""

from __future__ import annotations

import re

import pytest

from tests.docs.documents import ROOT, content

TESTS = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]


@pytest.mark.parametrize("document", ["docs/promises.md", "docs/simulator.md"])
def test_the_tests_that_are_named_are_there(document: str) -> None:
    text = content(document)
    names = set(re.findall(r"`(test_[a-z0-9_]+)`", text))
    paths = set(re.findall(r"`(tests/[\w/.]+)`", text))
    assert names | paths
    assert [name for name in names if not any(f"def {name}(" in test for test in TESTS)] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []
