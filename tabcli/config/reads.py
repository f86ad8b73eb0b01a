"""Which columns a config reads, where it says so, and what for: found by walking the schema, so none is forgotten.

A field that holds names of columns is marked with `Reads`; a column that is named there is a `Read`:

    features.events.Promo.where  {promo: 1}   →   Read("features.events.Promo.where", "promo", "feature")
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic.fields import FieldInfo

from tabcli.config.values import Section

Use = Literal[
    "key", "target", "declared", "filled", "join", "as of", "feature", "row", "input", "past", "network", "file"
]
"""What a column is read for, in the order in which the tables are built.

| use      | read from                               | must be known in advance |
|----------|-----------------------------------------|--------------------------|
| file     | a file, before it is a table            |                          |
| key      | the rows: series, date, id              |                          |
| target   | the train table                         |                          |
| declared | the train table                         |                          |
| filled   | the rows, before anything is joined     | yes                      |
| as of    | a lookup table                          |                          |
| join     | the rows and a lookup table             | if what it joins must be |
| feature  | the joined table                        | yes                      |
| row      | the joined table with its features      | yes                      |
| input    | the same, for the network               | yes                      |
| past     | the same, of rows that have a target    |                          |
| network  | the network's inputs                    |                          |
"""

Kind = Literal["date", "number", "text"]

AHEAD: frozenset[Use] = frozenset({"filled", "feature", "row", "input"})
"""Uses on the days to forecast, of which nobody knows what is past only."""

JOINED: frozenset[Use] = AHEAD | {"join", "past"}
"""Uses that a joined table must have its columns for."""


@dataclass(frozen=True)
class Reads:
    """Marks a field that names columns: a text, a list of them, or a mapping by column.

    `kind`: the kind that the column must have, if it must have one. `table`: the field beside it that names the
    column's table, where that is not the table of the rows. `words`: what may stand there beside names of columns.
    """

    use: Use
    kind: Kind | None = None
    table: str | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Read:
    """A column, the path of the key that reads it, and what for. `table`: the lookup table that has it, if one does."""

    path: str
    column: str
    use: Use
    kind: Kind | None = None
    table: str | None = None

    @property
    def ahead(self) -> bool:
        """Whether it is read on the days to forecast, so that it must be known in advance."""
        return self.use in AHEAD


def reads_of(section: Section, path: str = "") -> Iterator[Read]:
    """Every column that a section and those within it name, in the order of the schema's fields."""
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), f"{path}.{name}" if path else name
        marker = mark_of(field)
        if marker is None:
            yield from _within(value, here)
        else:
            table = getattr(section, marker.table) if marker.table else None
            for column in () if marker.use == "input" and value == "auto" else _named(value):
                if column not in marker.words:
                    yield Read(here, column, marker.use, marker.kind, table)


def mark_of(field: FieldInfo) -> Reads | None:
    """The mark of a field that names columns."""
    return next((mark for mark in field.metadata if isinstance(mark, Reads)), None)


def _within(value: object, path: str) -> Iterator[Read]:
    if isinstance(value, Section):
        yield from reads_of(value, path)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _within(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _within(item, f"{path}.{key}")


def _named(value: str | Iterable[str] | None) -> Iterator[str]:
    """The columns that a marked field names; nothing names none."""
    if isinstance(value, str):
        yield value
    elif value is not None:
        yield from value
