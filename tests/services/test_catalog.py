"""Finding services by name: what loads, and what each failure says to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import linebus
from linebus.errors import ServiceNotLoaded
from linebus.services.catalog import builtin_names, load

OWN = """
from linebus.services.declare import service

@service
def double(n: int) -> int:
    return 2 * n

@service
def gcd(n: int) -> int:
    return n

def plain(n: int) -> int:
    return n

both = [double, gcd]
pair = (double,)
mixed = [double, plain]
number = 7
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of one's own, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("own", "broken", "leaves", "needy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path


def complaint(*references: str) -> str:
    with pytest.raises(ServiceNotLoaded) as caught:
        load(references)
    return str(caught.value)


def test_built_in_services_load_by_name_in_the_order_given() -> None:
    assert [each.name for each in load(["isprime", "gcd"])] == ["isprime", "gcd"]
    assert load([]) == ()


def test_built_in_names_are_the_names_of_their_services() -> None:
    assert set(builtin_names()) > {"gcd", "isprime", "factor"}
    assert tuple(each.name for each in load(builtin_names())) == builtin_names()


def test_listing_the_names_imports_no_heavy_module() -> None:
    code = (
        "import sys; from linebus.services import catalog; catalog.builtin_names();"
        "sys.exit('flint' in sys.modules or 'linebus.services.primes' in sys.modules)"
    )
    source = Path(linebus.__path__[0]).parent
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True)


@pytest.mark.usefixtures("here")
def test_own_services_load_from_the_current_directory() -> None:
    (double,) = load(["own:double"])
    assert double.answer("21") == "42"


@pytest.mark.usefixtures("here")
def test_the_current_directory_comes_first() -> None:
    load(["own:double"])
    assert sys.path[0] in ("", str(Path.cwd()))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("name", "names"), [("both", ["double", "gcd"]), ("pair", ["double"])])
def test_a_list_or_tuple_gives_all_that_it_holds(name: str, names: list[str]) -> None:
    assert [each.name for each in load([f"own:{name}"])] == names


def test_a_misspelt_name_gets_a_suggestion_and_the_list() -> None:
    assert complaint("isprme") == (
        "no built-in service is called 'isprme'; did you mean 'isprime'? built in:"
        f" {', '.join(builtin_names())}; or module:object for your own"
    )
    assert "did you mean" not in complaint("zzz")


@pytest.mark.parametrize("reference", [":", "own:", ":double"])
def test_half_a_reference_is_told_the_form(reference: str) -> None:
    assert "write module:object" in complaint(reference)


@pytest.mark.usefixtures("here")
def test_a_missing_module_is_named_with_where_it_was_sought() -> None:
    text = complaint("nowhere:double")
    assert "there is no module 'nowhere'; is there a file nowhere.py in " in text
    assert "there is no module 'own.sub'" in complaint("own.sub:double")


@pytest.mark.usefixtures("here")
def test_a_file_name_is_turned_into_a_module() -> None:
    assert complaint("lib/mine.py:double").endswith("write lib.mine:double")


@pytest.mark.usefixtures("here")
def test_a_missing_object_gets_a_suggestion_and_the_services() -> None:
    text = complaint("own:duoble")
    assert "module 'own' has no 'duoble'; did you mean 'double'?" in text
    assert text.endswith("its services: double, gcd")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["plain", "mixed"])
def test_a_plain_function_is_to_be_decorated(name: str) -> None:
    assert complaint(f"own:{name}").endswith(
        "plain is a plain function; decorate it with @linebus.service"
    )


@pytest.mark.usefixtures("here")
def test_anything_else_is_no_service() -> None:
    assert "it is of type int, not a service" in complaint("own:number")


@pytest.mark.usefixtures("here")
def test_one_name_is_given_once() -> None:
    text = complaint("gcd", "own:both")
    assert "service 'gcd' is given twice, by 'gcd' and 'own:both'" in text
    assert "given twice" in complaint("isprime", "isprime")


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("broken", "1 // 0", "ZeroDivisionError: "),
        ("leaves", "raise SystemExit(3)", "SystemExit: 3"),
        ("needy", "import a_library_not_there", "No module named 'a_library_not_there'"),
    ],
)
def test_an_exception_at_import_is_told_and_chained(
    here: Path, name: str, source: str, said: str
) -> None:
    (here / f"{name}.py").write_text(source)
    with pytest.raises(ServiceNotLoaded) as caught:
        load([f"{name}:double"])
    assert f"importing {name} raised " in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.__cause__ is not None


DECLARED = """
raise SystemExit("nobody imports this")
import linebus
from linebus.services import declare

@linebus.service(usage="price FRUIT")
def price(fruit): ...

@declare.service
async def stock(fruit): ...

@service
def bare(fruit): ...

@cache
def no_service(): ...
"""


@pytest.mark.parametrize("reference", ["shop", "shop.py"])
def test_a_module_without_an_object_is_told_with_the_services_in_it(
    here: Path, reference: str
) -> None:
    (here / "shop.py").write_text(DECLARED)
    said = complaint(reference)
    assert said.endswith("say which object: shop:price, shop:stock, shop:bare")
    assert "but there is shop.py;" in said


@pytest.mark.parametrize("source", ["x = 1\n", "def broken(:\n", "\0", "\udcff"])
def test_a_module_in_which_no_service_is_found_gets_the_form(here: Path, source: str) -> None:
    (here / "shop.py").write_bytes(source.encode(errors="surrogateescape"))
    assert complaint("shop").endswith("say which object: shop:OBJECT")


def test_a_module_in_a_package_is_told_as_it_is_imported(here: Path) -> None:
    (here / "fruit").mkdir()
    (here / "fruit" / "shop.py").write_text(DECLARED)
    assert "fruit.shop:price" in complaint("fruit/shop.py")
