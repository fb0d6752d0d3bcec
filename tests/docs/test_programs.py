"""The recipes of docs/howto/programs.md, each in a place of its own, where its language is here."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.docs.documents import Block, blocks
from tests.docs.test_examples import Place, commands, place

if TYPE_CHECKING:
    from tests.docs.test_examples import Place

__all__ = ["place"]  # the fixture

RECIPES = [each for each in blocks("docs/howto/programs.md") if each.kind.startswith("recipe")]


def needs(recipe: Block) -> list[str]:
    """The programs without which a recipe cannot be run."""
    return recipe.kind.split()[1:]


def test_there_are_more_than_a_dozen() -> None:
    assert len(RECIPES) > 12
    assert all(map(needs, RECIPES))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: needs(recipe)[0])
def test_a_recipe_does_what_it_says(place: Place, recipe: Block) -> None:
    missing = [name for name in needs(recipe) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed here")
    source, _, console = recipe.text.rpartition("\n\n$ ")
    if source:
        [name] = re.findall(r"^\W+(?:php // )?(\w+\.\w+)\n", source)
        (place.folder / name).write_text(source + "\n", "utf-8")
        console = f"$ {console}"
    else:
        console = recipe.text
    for command, expected in commands(console):
        if command.startswith("linebus work "):
            said = place.start("bash", "-c", f"exec {command}").readline()
            assert said.startswith("linebus: offering "), said
            place.wait_for_executors([said])
        else:
            assert place.run("bash", "-c", command).splitlines() == expected, command
