"""Every link from one document to another leads somewhere, and so does what follows its `#`."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def links(document: str) -> list[str]:
    without_code = re.sub(r"`[^`\n]*`", "", prose(document))
    return [link for link in LINK.findall(without_code) if "://" not in link]


def anchors(document: str) -> Iterator[str]:
    """The anchors of a document's headings, made as GitHub makes them."""
    seen: Counter[str] = Counter()
    for heading in HEADING.findall(prose(document)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        yield slug if not seen[slug] else f"{slug}-{seen[slug]}"
        seen[slug] += 1


def leads_somewhere(document: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = ((ROOT / document).parent / path).resolve() if path else ROOT / document
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(target.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    assert [link for link in links(document) if not leads_somewhere(document, link)] == []


@pytest.mark.parametrize("link", ["docs/nowhere.md", "#nowhere", "docs/errors.md#nowhere"])
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    assert not leads_somewhere("README.md", link)


def test_anchors_are_made_as_where_the_documents_are_read() -> None:
    tutorial = set(anchors("docs/tutorial.md"))
    assert {"the-four-programs", "reqrep-a-question-an-answer"} <= tutorial


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if each != "README.md"])
def test_every_document_can_be_reached_from_the_first_page(document: str) -> None:
    reached, unread = set[str](), ["README.md"]
    while unread:
        current = unread.pop()
        if current in reached or not current.endswith(".md"):
            continue
        reached.add(current)
        for link in links(current):
            target = ((ROOT / current).parent / link.partition("#")[0]).resolve()
            pages = sorted(target.glob("*.md")) if target.is_dir() else [target]
            unread += [page.relative_to(ROOT).as_posix() for page in pages]
    assert document in reached
