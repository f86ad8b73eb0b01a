"""What the columns of encoded tables are called, so that no name of a user's column can take another's place.

    train.parquet   shop  promo  y  row.units  row.shop  row.day  row.filled  row.series  row.step  row.cell
                    inputs          the row's own values         what tabcli says of the row

Inputs keep the names that they have in the tables, and `row.` before a name stands for the row's own values. A name
that would be taken for one of tabcli's gets `column.` before it: an input called `y` is `column.y`, the values of a
target called `step` are `row.column.step`.
"""

from collections.abc import Collection

ROW = "row."

PLACES = ("series", "step", "cell")
"""A row's place on the grid of the target history: `row.series`, `row.step` and `row.cell` in encoded tables."""

_OF_ROWS = {*PLACES, "filled"}
_OF_PAST = {*PLACES, "y"}
_APART = "column."


def row_column(name: str) -> str:
    """The encoded column that holds the rows' own values of a column.

    >>> row_column("units"), row_column("step"), row_column("column.step")
    ('row.units', 'row.column.step', 'row.column.column.step')
    """
    return ROW + kept_apart(name, _OF_ROWS)


def input_column(name: str) -> str:
    """The encoded column of an input.

    >>> input_column("promo"), input_column("y"), input_column("row.step")
    ('promo', 'column.y', 'column.row.step')
    """
    return _APART + name if name.startswith(ROW) else kept_apart(name, {"y"})


def past_column(name: str) -> str:
    """The column of past.parquet that holds a past-only column of `history.columns`.

    >>> past_column("customers"), past_column("y")
    ('customers', 'column.y')
    """
    return kept_apart(name, _OF_PAST)


def kept_apart(name: str, own: Collection[str]) -> str:
    """The name, with `column.` before it if it is one of tabcli's `own` names: different names stay different."""
    return _APART + name if name in own or name.startswith(_APART) else name
