"""init and synth: where a person begins."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from tabcli import files
from tabcli.config import loading, yaml12
from tabcli.config.schema import Config
from tabcli.errors import UsageError
from tabcli.onboarding.config_writer import reasons, write_config
from tabcli.onboarding.discovery import discover
from tabcli.onboarding.findings import InitHints
from tabcli.onboarding.plan import plan
from tabcli.synthetic.hourly import synth_hourly
from tabcli.synthetic.retail import SynthResult
from tabcli.synthetic.retail import synth as make_tables
from tabcli.synthetic.weekly import synth_weekly


@dataclass(frozen=True)
class InitResult:
    """`text`: the commented config, which `config` is when read. `reasons`: what was guessed and why."""

    path: Path | None
    text: str
    config: Config
    reasons: list[str]


def init(directory: Path | str, out: Path | str | None = None, *, force: bool = False, **wishes: Any) -> InitResult:
    """Looks at a folder of tables and writes a commented config that runs as it is.

    `wishes` are the fields of `tabcli.discover.InitHints`: train, future, date, target, series, horizon, day_first, and
    `ask`, which is called where two answers are as good as each other. Without it such a case raises `UsageError`
    naming the option, as does an `out` that exists already unless `force` is given.
    """
    path = Path(out) if out is not None else None
    if path is not None and path.exists() and not force:
        raise UsageError(f"{path} exists already", hint="give another --out, or --force to replace it")
    draft = plan(discover(Path(directory), InitHints(**wishes)))
    text = write_config(draft, str(directory))
    config = loading.parse(yaml12.parse_yaml(text, source="the draft"), source="the draft")
    if path is not None:
        files.write_text(path, text)
    return InitResult(path, text, config, reasons(draft))


def synth(
    directory: Path | str,
    *,
    kind: Literal["retail", "weekly", "hourly"] = "retail",
    start: date | str | None = None,
    **options: Any,
) -> SynthResult:
    """Sales tables from a known process; `start` may be a text like 2013-01-01.

    `kind`: *retail*, daily sales of stores (`tabcli.synthetic`); *weekly*, stores × products (`synthetic_weekly`);
    *hourly*, rentals with weather (`synthetic_hourly`). The options are those of their functions.
    """
    if isinstance(start, str):
        try:
            start = date.fromisoformat(start)
        except ValueError:
            raise UsageError(f"--start {start}: expected a day like 2013-01-01") from None
    if start is not None:
        options["start"] = start
    match kind:
        case "retail":
            return make_tables(Path(directory), **options)
        case "weekly":
            return synth_weekly(Path(directory), **options)
        case "hourly":
            return synth_hourly(Path(directory), **options)
