"""Which columns are inputs, and in which role: as the config names them, or by a rule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tabcli.config.schema import Config
from tabcli.features.availability import usable_columns
from tabcli.pipeline.joined import JoinedData
from tabcli.preprocessing.counts import Counted
from tabcli.tables.rows import stack_all
from tabcli.tables.texts import decimal_comma, not_numeric_error


@dataclass(frozen=True)
class InputColumns:
    """The inputs by role, in the order in which they are encoded."""

    categorical: tuple[str, ...]
    continuous: tuple[str, ...]


def unnamed_columns(source: JoinedData) -> list[str]:
    """The usable columns that the config gives no role by name, in the table's order."""
    config = source.config
    named = {c for role in (config.categorical, config.continuous) if role != "auto" for c in role}
    return [c for c in usable_columns(source.features.table, config, source.availability) if c not in named]


def by_rule(config: Config) -> bool:
    """Whether a rule decides the role of the columns that the config does not name."""
    return "auto" in (config.categorical, config.continuous)


def choose_inputs(config: Config, unnamed: Iterable[str], found: Mapping[str, Counted]) -> InputColumns:
    """The inputs that the config names; by fastai's rule (`cont_cat_split`) where it says *auto*.

    The rule looks at the training rows alone, in which `found` counts values: numbers with fractions, with missing
    values or with more than `max_card` different values are continuous; all other columns, and the series columns, are
    categorical.
    """
    by_role: dict[str, list[str]] = {"categorical": [], "continuous": []}
    for column in unnamed if by_rule(config) else ():
        continuous = column not in config.series and found[column].is_measure(config.max_card)
        by_role["continuous" if continuous else "categorical"].append(column)
    chosen = {
        role: tuple(by_role[role]) if given == "auto" else given
        for role, given in (("categorical", config.categorical), ("continuous", config.continuous))
    }
    return InputColumns(**chosen)


def with_commas(source: JoinedData, columns: Iterable[str]) -> dict[str, pd.Series | None]:
    """Columns of texts that may be numbers with decimal commas, (n,); None in place of one without a text."""
    found: dict[str, pd.Series | None] = {}
    table = source.features.table
    for name in columns:
        if table.kind(name) == "text":
            values = table.stored[name].values
            if not (values.cat.codes >= 0).any():
                found[name] = None
            elif decimal_comma(values):
                found[name] = table[name]
    return found


def refuse_commas(parts: Sequence[Mapping[str, pd.Series | None]]) -> None:
    """Raises `DataError` where all texts of a column are numbers with decimal commas: a rule would make categories of
    them.
    """
    for name in parts[0]:
        if all(name in part for part in parts):
            there = [column.to_frame() for part in parts if (column := part[name]) is not None]
            together = stack_all(there)[name] if there else None
            if together is not None and decimal_comma(together):
                raise not_numeric_error(together, "auto: a number or a category?")
