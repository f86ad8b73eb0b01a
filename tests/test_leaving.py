"""How a process ends: with its exit code and all it printed, whatever threads the libraries still have."""

import subprocess
import sys

import pytest

from tabcli.cli import app as commands


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def test_a_process_leaves_with_its_code_after_the_exit_functions_and_all_output() -> None:
    done = run_code(
        "import atexit, sys\n"
        "from tabcli.leaving import leave\n"
        "atexit.register(print, 'second')\n"
        "print('first', end=' ')\n"
        "print('error', end='', file=sys.stderr)\n"
        "leave(3)\n"
        "print('never')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "first second\n", "error")


def test_a_reader_that_is_gone_is_no_success() -> None:
    done = run_code(
        "import os, sys\n"
        "from tabcli.leaving import leave\n"
        "read, write = os.pipe()\n"
        "os.dup2(write, 1); os.close(read); os.close(write)\n"
        "print('nobody reads this')\n"
        "leave(0)\n"
    )
    assert done.returncode == 1


def test_nothing_that_is_taken_down_at_the_end_is_waited_for() -> None:
    """What a library does when its objects are destroyed, such as ending its threads, cannot fail any more."""
    done = run_code(
        "from tabcli.leaving import leave\n"
        "class Pool:\n"
        "    def __del__(self): print('taken down')\n"
        "pool = Pool()\n"
        "leave(0)\n"
    )
    assert (done.returncode, done.stdout) == (0, "")


class Left(BaseException):
    pass


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["config", "check", "no.yaml"], 3), (["x"], 2)])
def test_the_command_line_ends_its_process_so(arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []

    def note(code: int) -> None:
        left.append(code)
        raise Left

    monkeypatch.setattr(commands, "leave", note)
    monkeypatch.setattr(sys, "argv", ["tabcli", *arguments])
    with pytest.raises(Left):
        commands.run()
    assert left == [code]
