"""init and synth: where a person begins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from tabcli import files
from tabcli.api.sources import read_options
from tabcli.config import loading, yaml12
from tabcli.config.schema import Config
from tabcli.errors import UsageError
from tabcli.onboarding.config_writer import reasons, write_config
from tabcli.onboarding.discovery import discover
from tabcli.onboarding.findings import Ask, InitHints, refuse_to_guess
from tabcli.onboarding.folder import ENDINGS
from tabcli.onboarding.plan import plan
from tabcli.shown import Shown, first_few
from tabcli.synthetic.hourly import synth_hourly
from tabcli.synthetic.retail import SynthResult
from tabcli.synthetic.retail import synth as synth_retail
from tabcli.synthetic.weekly import synth_weekly
from tabcli.tables.writing import require_no_input


@dataclass(frozen=True, repr=False)
class InitResult(Shown):
    """What `init` returns.

    `path`: the file that was written, or None. `text`: the commented config; `config`: the same, read. `reasons`: what
    was guessed and why, a line each. `horizon`: how far ahead to forecast, where no table has the rows; else None.
    """

    path: Path | None
    text: str
    config: Config
    reasons: list[str]
    horizon: str | None = None

    def brief(self) -> dict[str, str]:
        config = self.config
        return {
            "path": str(self.path or "not written"),
            "target": f"{config.target.column}, judged by {config.metric.upper()}",
            "series": f"{first_few(list(config.series))}; date {config.date}",
            "tables": first_few(list(config.tables), 6),
        }


def init(
    directory: Path | str,
    out: Path | str | None = None,
    *,
    train: str | None = None,
    future: str | None = None,
    target: str | None = None,
    date: str | None = None,
    series: Sequence[str] = (),
    horizon: str | None = None,
    day_first: bool | None = None,
    aggregate: bool = False,
    wide: bool = False,
    reading: Mapping[str, str] | None = None,
    ask: Ask = refuse_to_guess,
    force: bool = False,
) -> InitResult:
    """Looks at a folder of tables and writes a commented config that runs as it is.

    What is not given is found out. Where two answers are equally good, `ask` decides; by default such a case raises
    `UsageError` with the parameter that answers it. So does an `out` that exists already.

    directory: the folder with the tables.
    out: the YAML file to write; by default none is written.
    train: the file of the table with the past.
    future: the file of the table with the rows to forecast.
    target: the column to forecast.
    date: the column with the date of a row.
    series: the columns that tell series apart.
    horizon: how far ahead forecasts reach, such as "8w"; by default as far as the future table.
    day_first: whether 03/04/2015 is in April.
    aggregate: whether rows of one series and date are lines of sale, to be added up.
    wide: whether each column of numbers is a series of its own.
    reading: how the files are written, such as {"decimal": ","}, as in a table of the config.
    ask: a function of a question, the option that answers it, and the possible answers; it returns one of them.
    force: replace an existing `out`.
    """
    path = Path(out) if out is not None else None
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} exists already", hint="give another --out, or --force to replace it")
    if path is not None and Path(directory).is_dir():
        require_no_input(path, [p for p in Path(directory).iterdir() if p.suffix.lower() in ENDINGS])
    read_options(reading or {}, "")
    hints = InitHints(
        train, future, date, target, tuple(series), horizon, day_first, aggregate, wide, reading or {}, ask
    )
    draft = plan(discover(Path(directory), hints))
    text = write_config(draft, str(directory))
    config = loading.parse(yaml12.parse_yaml(text, source="the draft"), source="the draft")
    if path is not None:
        files.write_text(path, text)
    horizon = str(draft.found.horizon) if draft.found.future is None else None
    return InitResult(path, text, config, reasons(draft), horizon)


def synth(
    directory: Path | str,
    *,
    kind: Literal["retail", "weekly", "hourly"] = "retail",
    stores: int | None = None,
    stations: int | None = None,
    products: int | None = None,
    days: int | None = None,
    weeks: int | None = None,
    hours: int | None = None,
    horizon: int | None = None,
    seed: int = 42,
    noise: float | None = None,
    start: date | str | None = None,
    replace: bool = False,
) -> SynthResult:
    """Writes sales tables from a known process, whose noise floor is therefore known.

    The same arguments give the same bytes. Raises `UsageError` for arguments that make no sense, or that the kind
    does not have.

    directory: where the tables go.
    kind: *retail*, daily sales of stores; *weekly*, sales of stores × products; *hourly*, rentals of stations.
    stores: how many stores, of retail (200) and weekly (8).
    stations: how many stations, of hourly (3).
    products: how many products, of weekly (20).
    days: the length of retail, with the horizon (990).
    weeks: the length of weekly, with the horizon (164).
    hours: the length of hourly, with the horizon (10,080).
    horizon: how many days, weeks or hours are to be forecast (48, 8 or 168).
    seed: of the random numbers.
    noise: sigma of the log-normal noise, 0 to 1 (0.1 for retail, else 0.25).
    start: the first day, a date or a text like 2013-01-01.
    replace: replace tables that `synth` wrote there before.
    """
    sizes = {"stores": stores, "stations": stations, "products": products, "days": days, "weeks": weeks, "hours": hours}
    options: dict[str, object] = {k: v for k, v in sizes.items() if v is not None}
    make, own = _KINDS[kind]
    if wrong := [k for k in options if k not in own]:
        raise UsageError(f"{', '.join(wrong)}: not of kind {kind}, which has {', '.join(own)}")
    options |= {k: v for k, v in {"horizon": horizon, "noise": noise, "start": _day(start)}.items() if v is not None}
    return make(Path(directory), seed=seed, replace=replace, **options)


_KINDS: dict[str, tuple[Callable[..., SynthResult], tuple[str, ...]]] = {
    "retail": (synth_retail, ("stores", "days")),
    "weekly": (synth_weekly, ("stores", "products", "weeks")),
    "hourly": (synth_hourly, ("stations", "hours")),
}
"""The function of each kind of tables, and the sizes that it takes."""


def _day(start: date | str | None) -> date | None:
    if not isinstance(start, str):
        return start
    try:
        return date.fromisoformat(start)
    except ValueError:
        raise UsageError(f"--start {start}: expected a day like 2013-01-01") from None
