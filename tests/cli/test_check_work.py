"""`linebus work --check`: what would be offered, and why it would not."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from linebus.cli.main import main
from linebus.worker import guardian

if TYPE_CHECKING:
    from pathlib import Path

SHOP = '''
import linebus
print("shop is loaded")

def open_shop():
    raise AssertionError("nothing is set up")

@linebus.service(
    usage="price FRUIT [COUNT]", example="price apple", pure=True,
    time_limit_s=2.5, memory_limit=1000, recycle_after=1,
)
def price(fruit: str, count: int = 1) -> int:
    """Say what fruit costs.

    Not today's price."""
    return 3

@linebus.service(setup=open_shop, at_once=7)
async def order(shop: object) -> str:
    return "done"

every = [price, order]
'''

PRICE = """\
name|price
usage|price FRUIT [COUNT]
types|fruit: str, count: int -> int
doc|Say what fruit costs.
example|price apple
pure|yes
time limit|2.5 s
memory limit|1000 bytes
recycled|after 1 line
at once|1
set-up|
""".replace("|", "\t")
ORDER = """\
name|order
usage|order
types|-> str
doc|
example|
pure|no
time limit|
memory limit|
recycled|
at once|7
set-up|open_shop
""".replace("|", "\t")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "checked_shop", raising=False)
    monkeypatch.setattr(guardian, "work", None)  # nothing is started
    (tmp_path / "checked_shop.py").write_text(SHOP)
    (tmp_path / "broken_shop.py").write_text("def price(:\n")


def test_each_service_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work", "--check", "checked_shop:every"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{PRICE}\n{ORDER}"
    assert said.err == "shop is loaded\n"


def test_on_a_terminal_what_is_not_set_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert main(["work", "gcd", "--check"]) == 0
    labels = [line.split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert [label for label in labels if label] == [
        *("name", "usage", "types", "doc", "example", "pure", "time limit", "at once")
    ]


def test_with_json_each_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work", "checked_shop:every", "gcd", "--check", "--json"]) == 0
    price, order, gcd = map(json.loads, capsys.readouterr().out.splitlines())
    assert price == {
        "name": "price",
        "usage": "price FRUIT [COUNT]",
        "signature": "fruit: str, count: int -> int",
        "doc": "Say what fruit costs.",
        "example": "price apple",
        "pure": True,
        "time_limit_s": 2.5,
        "memory_limit": 1000,
        "recycle_after": 1,
        "at_once": 1,
        "setup": "",
    }
    assert (order["setup"], order["at_once"]) == ("open_shop", 7)
    assert gcd["name"] == "gcd"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("gdc", "no built-in service is called 'gdc'; did you mean 'gcd'?"),
        ("checked_shop:nothing", "has no 'nothing'; its services: order, price"),
        ("broken_shop:price", "importing broken_shop raised SyntaxError: "),
        ("nowhere:price", "there is no module 'nowhere'"),
    ],
)
def test_what_cannot_be_loaded_is_told_as_a_worker_tells_it(
    reference: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["work", "gcd", reference, "--check"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err.removeprefix("shop is loaded\n")
    assert len(told.err.removeprefix("shop is loaded\n").splitlines()) == 1


def test_a_program_is_told_too_and_not_started(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--check", "--json", "--once", "--time-limit", "2", "--memory", "1M"]
    assert main(["work", "size", *options, "--", sys.executable, "-c", "1 / 0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["usage"], told["signature"]) == ("size", "size ...", "text -> text")
    assert told["doc"] == f"{sys.executable} -c '1 / 0'"
    assert (told["time_limit_s"], told["memory_limit"], told["recycle_after"]) == (2.0, 1 << 20, 1)


def test_a_program_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["work", "size", "--check", "--", "./nowhere"])
    assert caught.value.code == 2
    assert "the program './nowhere' is not there" in capsys.readouterr().err
