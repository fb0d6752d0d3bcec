"""docs/services.md against the built-in services: a section for each, under its usage."""

from __future__ import annotations

import re

from linebus.services.catalog import builtin_names, load
from tests.docs.documents import content


def test_every_built_in_service_has_its_section() -> None:
    headings = re.findall(r"^## (.+)$", content("docs/services.md"), re.MULTILINE)
    missing = [each.usage for each in load(builtin_names()) if each.usage not in headings]
    assert missing == [], "docs/services.md needs a section `## USAGE` for these"
