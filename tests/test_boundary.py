"""The error boundary of the command line, and the options that commands share."""

import errno
import os
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tabcli.cli.app import app
from tabcli.cli.boundary import Boundary, Terminated, on_sigterm
from tabcli.cli.options import EPILOG, reading_options, split_names
from tabcli.errors import (
    BundleError,
    ConfigError,
    DataError,
    ResourceError,
    TabcliError,
    UsageError,
    WorkerError,
    did_you_mean,
    error_of,
    nearest,
)

KINDS: list[tuple[type[TabcliError], int]] = [
    (UsageError, 2),
    (ConfigError, 3),
    (DataError, 4),
    (BundleError, 5),
    (ResourceError, 6),
    (WorkerError, 7),
]


def ended_by(error: BaseException, *options: str) -> tuple[int, str]:
    """The exit code and the messages of a command that ends with this."""
    app = typer.Typer(cls=Boundary)

    @app.callback()
    def main(debug: bool = False) -> None: ...

    @app.command()
    def work() -> None:
        raise error

    done = CliRunner().invoke(app, [*options, "work"])
    assert done.stdout == ""
    return done.exit_code, done.stderr


@pytest.mark.parametrize(("kind", "code"), KINDS)
def test_each_failure_has_its_code_its_message_and_its_hint(kind: type[TabcliError], code: int) -> None:
    assert ended_by(kind("t.csv: no rows")) == (code, "error: t.csv: no rows\n")
    assert ended_by(kind("t.csv: no rows", hint="give one")) == (code, "error: t.csv: no rows\nhint: give one\n")


@pytest.mark.parametrize(("kind", "code"), KINDS)
def test_the_help_names_every_code(kind: type[TabcliError], code: int) -> None:
    assert kind.exit_code == code
    assert re.search(rf"\b{code} \w", EPILOG)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_matter_of_resources(number: int) -> None:
    code, said = ended_by(OSError(number, os.strerror(number), "x.parquet"))
    assert code == 6
    assert said.startswith("error: the disk is full: ")
    assert "nothing was written at a final name" in said


def test_a_full_disk_is_known_by_its_words_where_a_library_hides_its_number() -> None:
    assert ended_by(RuntimeError("write failed: No space left on device"))[0] == 6


@pytest.mark.parametrize("kind", [PermissionError, IsADirectoryError, NotADirectoryError])
def test_a_path_that_cannot_be_used_is_named(kind: type[OSError]) -> None:
    hint = "hint: give another path, or make this one usable\n"
    assert ended_by(kind(1, "may not", "out.csv")) == (2, f"error: out.csv: may not\n{hint}")
    assert ended_by(kind("without a path"))[0] == 1


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EIO])
def test_a_path_that_cannot_be_written_is_named_as_it_was_given(number: int) -> None:
    """On a disk that is read-only every command ended with a bug, and the name of a temporary file."""
    code, said = ended_by(OSError(number, os.strerror(number), "results/.f.csv.tmp-10028-92b3f5"))
    assert (code, said.split("\n")[0]) == (2, f"error: {Path('results/f.csv')}: {os.strerror(number)}")


def test_a_name_that_no_disk_takes_is_refused_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("day,x\n2024-01-01,1\n", encoding="utf-8")
    long = str(tmp_path / ("x" * 300)) + ".csv"
    for words in (["synth", long], ["init", str(tmp_path), "--out", long], ["inspect", long]):
        done = CliRunner().invoke(app, words, prog_name="tabcli")
        assert done.exit_code in (2, 4), done.output
    words = ["add-datepart", str(tmp_path / "t.csv"), long, "--column", "day"]
    assert CliRunner().invoke(app, words, prog_name="tabcli").exit_code == 2


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(KeyboardInterrupt(), 130, "stopped by Ctrl-C\n"), (Terminated(), 143, "stopped by SIGTERM\n")],
)
def test_a_stop_is_told_in_one_line(error: BaseException, code: int, said: str) -> None:
    assert ended_by(error) == (code, said)


def test_a_signal_passes_every_except_exception() -> None:
    with pytest.raises(Terminated):
        on_sigterm(15, None)
    assert not issubclass(Terminated, Exception)


def test_anything_else_is_a_bug_with_a_log_and_without_a_traceback() -> None:
    code, said = ended_by(ZeroDivisionError("by nought"))
    assert code == 1
    assert "error: a bug in tabcli: ZeroDivisionError: by nought" in said
    assert "Traceback" not in said
    log = Path(said.split("report it with ")[1].strip())
    assert "ZeroDivisionError: by nought" in log.read_text(encoding="utf-8")
    log.unlink()


def test_debug_shows_the_traceback() -> None:
    code, said = ended_by(DataError("t.csv: no rows"), "--debug")
    assert code == 4
    assert "Traceback" in said
    assert said.endswith("error: t.csv: no rows\n")


# -------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("text", "names"),
    [("a,b", ["a", "b"]), (" a , b ", ["a", "b"]), ("", []), (",", []), ("one", ["one"]), ("a,,b", ["a", "b"])],
)
def test_names_are_separated_by_commas(text: str, names: list[str]) -> None:
    assert split_names(text) == names


def test_reading_options_are_names_and_values() -> None:
    assert reading_options(None) == {}
    assert reading_options(["decimal=,", "delimiter==", "missing="]) == {
        "decimal": ",",
        "delimiter": "=",
        "missing": "",
    }
    with pytest.raises(UsageError, match=r"--read decimal: expected OPTION=VALUE"):
        reading_options(["encoding=utf-8", "decimal"])


# ----------------------------------------------------------------------------------- names nearly right


@pytest.mark.parametrize(
    ("word", "found"),
    [("shp", "shop"), ("SHOP", "shop"), ("dya", "day"), ("promotions", "promotion"), ("xyz", None), ("", None)],
)
def test_the_nearest_name_is_found_or_none(word: str, found: str | None) -> None:
    assert nearest(word, ["shop", "day", "promotion"]) == found
    assert did_you_mean(word, ["shop", "day", "promotion"]) == (f"; did you mean {found!r}?" if found else "")


@pytest.mark.parametrize(("kind", "code"), KINDS)
def test_an_error_is_made_again_from_its_name(kind: type[TabcliError], code: int) -> None:
    again = error_of(kind.__name__, "what", hint="so")
    assert type(again) is kind
    assert (again.message, again.hint, again.exit_code) == ("what", "so", code)
