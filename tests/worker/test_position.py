"""The number of the line at hand, in memory that two processes share."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from linebus import limits
from linebus.worker import position as page
from linebus.worker.position import Position


def test_nothing_is_worked_on_at_first() -> None:
    position = Position.create()
    assert position.cell[0] == 0
    position.close()


def test_what_one_mapping_stores_the_other_reads() -> None:
    ours = Position.create()
    theirs = Position(os.dup(ours.descriptor))
    theirs.cell[0] = 41
    assert ours.cell[0] == 41
    theirs.cell[0] = 2**53
    assert ours.cell[0] == 2**53
    theirs.close()
    ours.close()


def test_the_group_of_a_program_stands_beside_it() -> None:
    position = Position.create()
    assert position.program_group() == 0
    position.cell[page.PROGRAM] = 77
    assert (position.program_group(), position.cell[page.NUMBER]) == (77, 0)
    position.close()


def test_two_positions_are_apart() -> None:
    one, other = Position.create(), Position.create()
    one.cell[0] = 5
    assert other.cell[0] == 0
    one.close()
    other.close()


def test_the_number_outlives_the_process_that_stored_it() -> None:
    position = Position.create()
    program = (
        "import os, signal, sys; from linebus.worker.position import Position;"
        "Position(int(sys.argv[1])).cell[0] = 77; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(position.descriptor)],
        pass_fds=[position.descriptor],
        check=False,
    )
    assert done.returncode == -9
    assert position.cell[0] == 77
    position.close()


def test_closing_gives_everything_back() -> None:
    position = Position.create()
    descriptor = position.descriptor
    position.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with pytest.raises(ValueError, match="released"):
        position.cell[0]


def test_each_number_has_a_place_of_its_own_and_the_stream_has_one_too() -> None:
    position = Position.create()
    names = [page.NUMBER, page.SERVICE, page.AT_ONCE, page.PAUSE, page.IS_WATCHED]
    position.stream = b"s" * limits.TOKEN_BYTES
    for value, name in enumerate(names, 1):
        position.cell[name] = value
    assert [position.cell[name] for name in names] == [1, 2, 3, 4, 5]
    assert position.stream == b"s" * limits.TOKEN_BYTES
    position.close()


def test_there_is_no_stream_at_first_and_the_other_mapping_sees_each_new_one() -> None:
    ours = Position.create()
    theirs = Position(os.dup(ours.descriptor))
    assert theirs.stream == b""
    for name in (os.urandom(limits.TOKEN_BYTES), b"x" * limits.TOKEN_BYTES, b""):
        ours.stream = name
        assert theirs.stream == name
    theirs.close()
    ours.close()


def test_what_the_hot_loop_writes_out_is_where_these_names_say() -> None:
    assert (page.NUMBER, page.PAUSE) == (0, 3)
