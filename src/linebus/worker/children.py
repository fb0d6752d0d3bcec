"""An executor's process as its guardian holds it: pipes, position, key, and how it ended.

Children are spawned, never forked: a fork would share sockets and threads that break in a child.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from linebus import limits, process
from linebus.net.pipes import PipeReader, PipeWriter
from linebus.worker import pipes
from linebus.worker.cores import FewerCores
from linebus.worker.memory import memory_of
from linebus.worker.position import Position
from linebus.worker.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from linebus.wire.messages import Lost
    from linebus.worker.native_link import NativeLink
    from linebus.worker.program import ProgramSpec


class Child:
    """One executor's process."""

    def __init__(
        self,
        references: Sequence[str],
        address: str | None,
        now: float,
        program: ProgramSpec | None = None,
        *,
        tells_files: bool = False,
    ) -> None:
        """Start it; it will load `references` and connect to `address`, if there is one yet.

        Where there is a `program`, it will offer that instead. Where `tells_files`, it will name
        its source files, and compile them anew: Python takes what it has compiled for the same
        where a file is written twice within a second and stays as long as it was.
        """
        self.started_at = now
        self.started_at_wall = time.time()
        self.link: NativeLink | None = None  # whose session vouches for it
        self.is_ready = False
        self.is_spare = False  # it waits until another one has ended
        self.is_leaving = False  # it has done what it should and ends
        self.working_on: int | None = None
        self._fewer_cores: FewerCores | None = None
        self.ended = ""  # how its program has ended, in its own words
        key = os.urandom(limits.KEY_BYTES)
        self.key_hash = hashlib.sha256(key).digest()
        self.position = Position.create()
        report, report_of_child = os.pipe()
        module = "linebus.worker.executor" if program is None else "linebus.worker.program_executor"
        flags = ["-B"] if tells_files else []
        arguments = [str(os.getpid()), str(report_of_child), str(self.position.descriptor)]
        try:
            with process.no_interrupts():
                self.process = subprocess.Popen(
                    [sys.executable, *flags, "-m", module, *arguments],
                    stdin=subprocess.PIPE,
                    pass_fds=(report_of_child, self.position.descriptor),
                )
        except OSError:
            os.close(report)
            self.position.close()
            raise
        finally:
            os.close(report_of_child)
        os.set_blocking(report, False)
        self.report = PipeReader(report, pipes.ToGuardian)
        assert self.process.stdin is not None, "asked for above"
        control = self.process.stdin.fileno()
        os.set_blocking(control, False)
        self.control = PipeWriter(control)
        self.control.write(pipes.Start(list(references), key, address, program, tells_files))
        self.watch = Watch(self.position, self._memory)

    def _memory(self) -> int:
        return memory_of(self.process.pid, self.position.program_group())

    def give_way(self) -> None:
        """Have it compute at a lower priority than all that has to answer at once."""
        process.lower_priority(os.PRIO_PROCESS, self.process.pid, limits.EXECUTOR_NICENESS)
        if group := self.position.program_group():
            process.lower_priority(os.PRIO_PGRP, group, limits.EXECUTOR_NICENESS)

    @property
    def leaves_core(self) -> bool:
        """Whether it does with one core less than there are."""
        return self._fewer_cores is not None

    def leave_core(self) -> None:
        """Have it compute on all cores but one."""
        self._fewer_cores = FewerCores(self.process.pid)

    def take_core_back(self) -> None:
        """Have it compute on all cores again."""
        if self._fewer_cores is not None:
            self._fewer_cores.end()
            self._fewer_cores = None

    def stop(self) -> None:
        """Ask it to finish the line at hand and to end."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.take_core_back()  # what it has started may live on
        self.process.kill()

    def bury(self) -> Lost:
        """Reap it, release what it held; return what its end means for the line it worked on."""
        self.process.kill()  # its pipe is closed: whatever of it is left is of no use
        code = self.process.wait()
        lost = self.watch.lost(self.key_hash, self.ended or process.how_it_ended(code))
        if group := self.position.program_group():
            process.kill_group(group)
        self.position.close()
        os.close(self.report.descriptor)
        if self.process.stdin is not None:
            self.process.stdin.close()
        return lost
