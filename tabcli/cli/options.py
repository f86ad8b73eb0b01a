"""Options that several commands share, and the parsing of their values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from tabcli.errors import UsageError

EPILOG = (
    "Exit codes: 0 ok, 1 a bug, 2 usage, 3 config, 4 data, 5 a prep or run directory that is corrupt or does not fit, "
    "6 disk or memory full, 7 a process that trains a network died, 130 Ctrl-C, 143 SIGTERM."
)

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

# ------------------------------------------------------------------------------------ shared options

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The YAML config of the dataset.")]

OptionalConfig = Annotated[
    Path | None, typer.Option("--config", "-c", help="A config; by default the one the prep was made with.")
]

DataOption = Annotated[Path, typer.Option("--data", "-d", help="The directory with the tables, or its URL.")]

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-S", metavar="KEY.PATH=VALUE", help="Override a key of the config; may be repeated."),
]

Force = Annotated[bool, typer.Option("--force", "-f", help="Replace what stands there already.")]

On = Annotated[
    Literal["here", "processes", "ray"],
    typer.Option(help="Where the work is done: in this process, in several, or on the Ray cluster of RAY_ADDRESS."),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors, and nothing else.")]

Reading = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="OPTION=VALUE",
        help="How text tables are written: delimiter=';', decimal=',' and so on, as in a config; may be repeated.",
    ),
]

Quantiles = Annotated[
    list[str] | None,
    typer.Option(metavar="0.1,0.5,…", help="Quantiles of these levels beside the forecast; may be repeated."),
]

Intervals = Annotated[
    list[str] | None,
    typer.Option(
        "--interval", metavar="0.8", help="A central interval that holds this share of the rows; may be repeated."
    ),
]

Names = Annotated[str, typer.Option("--columns", metavar="A,B,…", help="Columns, separated by commas.")]


def split_names(names: str) -> list[str]:
    """Names separated by commas → the names.

    >>> split_names("store, promo")
    ['store', 'promo']
    """
    return [n.strip() for n in names.split(",") if n.strip()]


def levels_of(option: str, given: Sequence[str] | None) -> list[float] | None:
    """Numbers, each text with one or more of them separated by commas; None where the option is not given.

    Raises `UsageError` for a text that is no number.
    """
    if given is None:
        return None
    try:
        return [float(text) for each in given for text in split_names(each)]
    except ValueError:
        raise UsageError(f"{option} {', '.join(given)}: expected numbers between 0 and 1, such as 0.8") from None


def reading_options(given: Sequence[str] | None) -> dict[str, str]:
    """The texts of --read, `option=value` each → option → value. Raises `UsageError` for a text without =."""
    wrong = [g for g in given or () if "=" not in g]
    if wrong:
        raise UsageError(f"--read {wrong[0]}: expected OPTION=VALUE, such as decimal=,")
    return dict(g.split("=", 1) for g in given or ())


def assignments(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """Texts such as promo=0 → column → value. Raises `UsageError` for a text without =, and a column that comes twice.

    >>> assignments("--set", ["promo=0", "note=a=b"])
    {'promo': '0', 'note': 'a=b'}
    """
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {text}: expected COLUMN=VALUE, such as promo=0")
        if name.strip() in found:
            raise UsageError(f"{option} {text}: {name.strip()} is set twice")
        found[name.strip()] = value
    return found


def shards_in(text: str) -> Literal["auto"] | int:
    """`--shards` as `prep` takes it. Raises `UsageError` for what is neither auto nor a number."""
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--shards {text}: expected auto or a number, 1 or more") from None
