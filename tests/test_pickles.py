"""Pickles: ordinary tables are read, everything else is refused before it can act."""

import functools
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabcli.errors import DataError
from tabcli.tables.pickles import read_pickle

AWKWARD = pd.DataFrame(
    {
        "i": [1, 2],
        "f": [1.5, np.nan],
        "s": ["x", None],
        "o": pd.Series(["x", 1], dtype=object),
        "c": pd.Categorical(["q", "r"], ordered=True),
        "d": pd.to_datetime(["2013-01-01", None]),
        "u": pd.to_datetime(["2013-01-01", "2014-01-01"], utc=True),
        "t": pd.to_timedelta([1, 2], unit="s"),
        "I": pd.array([1, None], dtype="Int64"),
        "B": pd.array([True, None], dtype="boolean"),
        "p": pd.Series(["a", None], dtype="string[python]"),
        "S": pd.Series([pd.Timestamp("2013-01-01"), pd.NaT], dtype=object),
    }
)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("index", [None, "i", ["i", "s"], "d"])
def test_ordinary_tables_come_back_as_they_were(tmp_path: Path, protocol: int, index: Any) -> None:
    table = AWKWARD if index is None else AWKWARD.set_index(index)
    table.to_pickle(tmp_path / "t.pkl", protocol=protocol)
    pd.testing.assert_frame_equal(read_pickle(tmp_path / "t.pkl"), table)


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize(("name", "freq"), [("sales", "D"), (None, "W-MON"), (None, "MS"), (None, "h"), (None, "B")])
def test_a_series_is_a_table_of_one_column(tmp_path: Path, protocol: int, name: str | None, freq: str) -> None:
    """Refused, for a class that no table needs, with `DataFrame.to_parquet` as the way out."""
    series = pd.Series([1.0, 2.0], index=pd.date_range("2024-01-01", periods=2, freq=freq, name="day"), name=name)
    series.to_pickle(tmp_path / "t.pkl", protocol=protocol)
    pd.testing.assert_frame_equal(read_pickle(tmp_path / "t.pkl"), series.to_frame(name or "value"))


class Calls:
    """Pickles to a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


def dotted(module: str, name: str, argument: str) -> bytes:
    """Protocol 4 resolves a dotted name attribute by attribute, so `pandas` leads to `os.system`."""

    def text(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    return b"\x80\x04" + text(module) + text(name) + b"\x93" + text(argument) + b"\x85R."


def attacks(mark: Path) -> dict[str, bytes]:
    touch = f"touch {mark}"
    inside = pd.DataFrame({"o": pd.Series([Calls(os.system, touch)], dtype=object)})
    return {
        "os.system": pickle.dumps(Calls(os.system, touch)),
        "inside an object column": pickle.dumps(inside),
        "eval": pickle.dumps(Calls(eval, f"open({str(mark)!r}, 'w')")),
        "exec": pickle.dumps(Calls(exec, f"open({str(mark)!r}, 'w')")),
        "getattr": pickle.dumps(Calls(getattr, "x", "upper")),
        "open": pickle.dumps(Calls(open, str(mark), "w")),
        "partial": pickle.dumps(Calls(functools.partial, print)),
        "read_pickle": pickle.dumps(Calls(pd.read_pickle, "x")),
        "pandas.eval": pickle.dumps(Calls(pd.eval, "1")),
        "dotted": dotted("pandas", "io.common.os.system", touch),
        "dotted class": dotted("pandas", "DataFrame.to_csv", touch),
        "protocol 0": b"cos\nsystem\n(S'" + touch.encode() + b"'\ntR.",
        "a list": pickle.dumps([1, 2]),
        "cut off": pickle.dumps(AWKWARD)[:-200],
        "not a pickle": b"shop,day\n1,2\n",
        "empty": b"",
    }


@pytest.mark.parametrize("name", list(attacks(Path("x"))))
def test_anything_else_is_refused_and_does_nothing(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    path = tmp_path / "t.pkl"
    path.write_bytes(attacks(mark)[name])
    with pytest.raises(DataError, match=str(path)):
        read_pickle(path)
    assert not mark.exists()
