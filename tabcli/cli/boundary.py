"""The error boundary: every exception → one message and an exit code, in a process and under `CliRunner` alike."""

import errno
import re
import tempfile
import traceback
from pathlib import Path

import typer
from typer._click.core import Context
from typer.core import TyperGroup
from typer.exceptions import TyperException

from tabcli.cli.terminal import say
from tabcli.errors import TabcliError, UsageError, full_error

# -------------------------------------------------------------------------------- the error boundary


OF_PATHS = (
    *(errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EBUSY, errno.EIO, errno.EINVAL),
)
"""What may be wrong with a path that a person gave: its rights, its length, its disk."""


class Terminated(BaseException):
    """SIGTERM arrived. Like Ctrl-C's KeyboardInterrupt it is no `Exception`, so that no `except Exception` stops it."""


def on_sigterm(signum: int, frame: object) -> None:
    """The handler of SIGTERM."""
    raise Terminated


def _as_expected(error: BaseException) -> TabcliError | None:
    """The error as one that a person can act on (tabcli's own, a full disk or memory, a path); None for a bug."""
    if isinstance(error, TabcliError):
        return error
    if full := full_error(error):
        return full
    if isinstance(error, OSError) and error.filename and error.errno in OF_PATHS:
        path = Path(str(error.filename))
        name = re.sub(r"^\.(.+)\.(tmp|old)-\d+-\w+$", r"\1", path.name)  # of `files`, while it writes
        return UsageError(
            f"{path.with_name(name)}: {error.strerror}", hint="give another path, or make this one usable"
        )
    return None


def _report_bug(error: Exception) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="tabcli-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write("".join(traceback.format_exception(error)))
    say(f"error: a bug in tabcli: {type(error).__name__}: {error}")
    say(f"hint: please report it with {log.name}")


class Boundary(TyperGroup):
    """Turns every exception into a message and an exit code, in the real process and under `CliRunner` alike."""

    def invoke(self, ctx: Context) -> object:
        """Runs the command; raises `typer.Exit` with the exit code of `tabcli.errors`."""
        try:
            return super().invoke(ctx)
        except TyperException as error:
            error.message = error.message.removeprefix("Value error, ")  # of a library, and no news to a reader
            raise
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            say("stopped by Ctrl-C")
            raise typer.Exit(130) from None
        except Terminated:
            say("stopped by SIGTERM")
            raise typer.Exit(143) from None
        except BrokenPipeError:
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            expected = _as_expected(error)
            if expected is None:
                _report_bug(error)
                raise typer.Exit(1) from None
            say(f"error: {expected.message}")
            if expected.hint:
                say(f"hint: {expected.hint}")
            raise typer.Exit(expected.exit_code) from None
