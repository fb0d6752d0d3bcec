"""The unit files of docs/howto/systemd.md: systemd understands them, and what they start works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import NamedTuple

import pytest

import linebus
from tests.docs.documents import blocks
from tests.support import PATIENCE_S, address_of, first_line, free_ports, running

INSTALLED = "/opt/linebus/bin/linebus"
HERE = str(Path(sys.executable).with_name("linebus"))


class Unit(NamedTuple):
    """A unit file: its name, its text, what stands in its [Service], and its environment."""

    name: str
    text: str
    service: dict[str, str]
    environment: dict[str, str]


def unit(text: str) -> Unit:
    path = Path(text.partition("\n")[0].removeprefix("# "))
    assert path.parent == Path("/etc/systemd/system")
    parser = ConfigParser(strict=False, interpolation=None)  # a key may be repeated
    parser.read_string(text)
    assert parser.sections() == ["Unit", "Service", "Install"]
    environment = [
        line.removeprefix("Environment=").split("=", 1)
        for line in text.splitlines()
        if line.startswith("Environment=")
    ]
    return Unit(path.name, text, dict(parser["Service"]), dict(environment))


UNITS = {
    each.name: each
    for each in (unit(b.text) for b in blocks("docs/howto/systemd.md") if b.kind == "ini")
}
SERVER, WORKER = UNITS["linebus-server.service"], UNITS["linebus-shop.service"]


@pytest.mark.parametrize("each", UNITS.values(), ids=UNITS)
def test_a_unit_is_restarted_always_and_bounded_in_memory(each: Unit) -> None:
    assert each.service["type"] == "exec"
    assert each.service["restart"] == "always"
    assert each.service["memorymax"]
    assert each.service["execstart"].split()[0] == INSTALLED


@pytest.mark.parametrize("each", UNITS.values(), ids=UNITS)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_every_line_of_a_unit(each: Unit, tmp_path: Path) -> None:
    file = tmp_path / each.name
    file.write_text(each.text.replace(INSTALLED, HERE), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    said = [line for line in done.stderr.splitlines() if each.name in line]
    assert (done.returncode, said) == (0, [])


def words(each: Unit) -> list[str]:
    return each.service["execstart"].replace(INSTALLED, HERE).split()


def test_what_the_units_start_answers_and_ends_by_sigterm(tmp_path: Path) -> None:
    [shop] = [b.text for b in blocks("README.md") if b.text.startswith("# shop.py\n")]
    (tmp_path / "shop.py").write_text(shop, "utf-8")
    ports = free_ports()
    address = address_of(ports[0])
    environment = {**WORKER.environment, "LINEBUS_URL": address}
    assert WORKER.environment.keys() == environment.keys()
    with (
        running(*words(SERVER), *map(str, ports), cwd=tmp_path) as server,
        running(*words(WORKER), cwd=tmp_path, env=environment) as worker,
    ):
        assert "serving" in first_line(server)
        assert "offering price" in first_line(worker)
        assert "in session" in first_line(worker)
        with linebus.Client(address) as bus:
            assert bus.ask("price apple 5").text == "5 x apple cost 15"
        for child in (worker, server):
            child.terminate()
            assert child.wait(PATIENCE_S) == 0
