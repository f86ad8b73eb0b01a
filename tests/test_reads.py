"""Which columns a config reads: no key that names columns is forgotten, and what follows from it."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from tabcli.config import loading
from tabcli.config.reads import mark_of
from tabcli.config.schema import Config
from tabcli.config.values import Section
from tabcli.features.availability import needed_columns, source_columns
from tests.conftest import CONFIG

NO_COLUMNS = {
    "Config.tables",
    "DateParts.prefix",
    "Features.events",
    "Features.fourier",
    "Features.from_easter",
    "Features.holidays",
    "Features.recurrences",
    "Features.spans",
    "Features.to_month_end",
    "Holidays.country",
    "Holidays.subdivision",
    "Join.table",
    "Rule.constant",
    "Table.date_format",
    "Table.dates",
    "Table.sheet",
    "Table.delimiter",
    "Table.encoding",
    "Table.file",
    "Table.missing",
    "Table.timezone",
    "Extract.pattern",
    "Variant.model",
    "Variant.train",
    "Card.answers",
    "Choices.choices",
    "Not.not_",
    "Tune.space",
}
"""Fields that hold texts or keys which are no columns of the tables: files, values, names of what is made."""


def sections() -> dict[str, type[Section]]:
    """All sections of the schema by name."""
    found: dict[str, type[Section]] = {}

    def walk(section: type[Section]) -> None:
        if section.__name__ not in found:
            found[section.__name__] = section
            for field in section.model_fields.values():
                for kind in parts(field.annotation):
                    if isinstance(kind, type) and issubclass(kind, Section):
                        walk(kind)

    walk(Config)
    return found


def parts(annotation: Any) -> Iterator[Any]:
    """An annotation and all that it is made of, but the words of a Literal."""
    yield annotation
    if get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from parts(inner)


def test_every_key_that_can_hold_a_column_says_whether_it_does() -> None:
    """A new key with a text, or with keys of its own, is either marked as reading columns or listed here."""
    texts = {
        f"{name}.{field_name}"
        for name, section in sections().items()
        for field_name, field in section.model_fields.items()
        if {str, Any} & {kind for kind in parts(field.annotation) if kind is str or kind is Any}
        and mark_of(field) is None
    }
    assert texts <= NO_COLUMNS
    marked = {n for n, s in sections().items() for field in s.model_fields.values() if mark_of(field) is not None}
    assert {"Join", "Target", "Event", "Moment", "History", "DateParts", "Forecast", "Availability"} <= marked


def test_reads_tell_path_column_and_use() -> None:
    reads = {(read.path, read.column): read for read in loading.parse(CONFIG).reads()}
    assert reads["joins[0].on", "shop"].use == "join"
    assert reads["features.events.Promo.where", "promo"].ahead
    assert reads["features.date_parts[0].column", "day"].kind == "date"
    assert reads["target.drop_where", "units"].use == "past"
    assert not reads["target.drop_where", "units"].ahead
    assert ("categorical", "Promo_bw") in reads


def test_the_date_of_a_side_table_belongs_to_it(config: dict[str, Any]) -> None:
    config["joins"] = [{"table": "shops", "on": "shop", "as_of": "closed_on"}]
    read = next(r for r in loading.parse(config).reads() if r.use == "as of")
    assert (read.path, read.column, read.table, read.kind) == ("joins[0].as_of", "closed_on", "shops", "date")


def test_what_is_no_column_is_not_read(config: dict[str, Any]) -> None:
    config |= {"baseline": ["shop", "season"], "categorical": "auto"}
    parsed = loading.parse(config)
    assert [read.column for read in parsed.reads() if read.path == "baseline"] == ["shop"]
    assert not [read for read in parsed.reads() if read.path == "categorical"]
    assert needed_columns(parsed) is None


def test_needed_columns_are_those_read_from_the_joined_table() -> None:
    parsed = loading.parse(CONFIG)
    read = {"shop", "day", "open", "promo", "holiday", "kind", "size", "since_year", "since_month", "rounds", "units"}
    assert source_columns(parsed) == read
    assert needed_columns(parsed) == read | {
        "dayDayofweek", "MonthsOpen", "Round", "Promo_bw", "Closed_fw", "AfterPromo", "BeforePromo", "AfterClosed",
        "dayElapsed",
    }  # fmt: skip
