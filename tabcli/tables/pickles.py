"""Reads a pandas table from a pickle without trusting it: only the classes that a table is made of.

A pickle is a program. This reader refuses every global that is not on a list of exact (module, name) pairs, so a
pickle can build tables and nothing else. It does not bound memory: a crafted pickle can still ask for a lot.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.compat import pickle_compat

from tabcli.errors import DataError

_DTYPES = {
    *("ArrowDtype", "BooleanDtype", "CategoricalDtype", "DatetimeTZDtype", "Float32Dtype", "Float64Dtype"),
    *("Int8Dtype", "Int16Dtype", "Int32Dtype", "Int64Dtype", "StringDtype"),
    *("UInt8Dtype", "UInt16Dtype", "UInt32Dtype", "UInt64Dtype"),
}

_ARRAYS = {
    *("ArrowExtensionArray", "ArrowStringArray", "BooleanArray", "DatetimeArray", "FloatingArray"),
    *("IntegerArray", "NumpyExtensionArray", "StringArray", "TimedeltaArray"),
}

_INDEXES = {"CategoricalIndex", "DatetimeIndex", "Index", "MultiIndex", "RangeIndex", "TimedeltaIndex"}

_STEPS = {
    *("BusinessDay", "BusinessMonthBegin", "BusinessMonthEnd", "Day", "Hour", "Minute", "MonthBegin", "MonthEnd"),
    *("QuarterBegin", "QuarterEnd", "Second", "Week", "YearBegin", "YearEnd"),
}
"""What a DatetimeIndex with a `freq` has."""

_ALLOWED: dict[str, set[str]] = {
    "__builtin__": {"bytearray", "slice"},
    "_codecs": {"encode"},
    "builtins": {"bytearray", "slice"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "pandas": {"Categorical", "DataFrame", "NA", "Series", *_DTYPES, *_INDEXES},
    "pandas._libs.arrays": {"__pyx_unpickle_NDArrayBacked"},
    "pandas._libs.internals": {"_unpickle_block"},
    "pandas._libs.tslibs.nattype": {"_nat_unpickle"},
    "pandas._libs.tslibs.offsets": _STEPS,
    "pandas._libs.tslibs.timedeltas": {"_timedelta_unpickle"},
    "pandas._libs.tslibs.timestamps": {"_unpickle_timestamp"},
    "pandas.arrays": _ARRAYS,
    "pandas.core.internals.managers": {"BlockManager", "SingleBlockManager"},
    "pyarrow.lib": {"_restore_array", "py_buffer", "type_for_alias"},
    # The same classes by the paths that pandas 1 and 2 wrote.
    "pandas.core.arrays.boolean": {"BooleanArray", "BooleanDtype"},
    "pandas.core.arrays.categorical": {"Categorical"},
    "pandas.core.arrays.datetimes": {"DatetimeArray"},
    "pandas.core.arrays.floating": {"FloatingArray", "Float32Dtype", "Float64Dtype"},
    "pandas.core.arrays.integer": {"IntegerArray", *(d for d in _DTYPES if "Int" in d)},
    "pandas.core.arrays.string_": {"StringArray", "StringDtype"},
    "pandas.core.arrays.string_arrow": {"ArrowStringArray"},
    "pandas.core.arrays.timedeltas": {"TimedeltaArray"},
    "pandas.core.dtypes.dtypes": {"CategoricalDtype", "DatetimeTZDtype"},
    "pandas.core.frame": {"DataFrame"},
    "pandas.core.indexes.base": {"Index", "_new_Index"},
    "pandas.core.indexes.category": {"CategoricalIndex"},
    "pandas.core.indexes.datetimes": {"DatetimeIndex", "_new_DatetimeIndex"},
    "pandas.core.indexes.multi": {"MultiIndex"},
    "pandas.core.indexes.range": {"RangeIndex"},
    "pandas.core.indexes.timedeltas": {"TimedeltaIndex", "_new_TimedeltaIndex"},
    "pandas.core.series": {"Series"},
}
"""Exact names, never prefixes: by a dotted name the module `pandas` would lead to `os.system`."""


class _TableUnpickler(pickle_compat.Unpickler):  # type: ignore[misc]  # pandas.compat has no types
    def find_class(self, module: str, name: str) -> Any:
        # pandas maps the class paths of its older versions; the mapped path must be on the list too.
        module, name = pickle_compat._class_locations_map.get((module, name), (module, name))
        if name not in _ALLOWED.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def read_pickle(path: Path) -> pd.DataFrame:
    """The DataFrame in a pickle file; of a Series the one with its values, as `value` where it has no name.

    Raises `DataError` where it holds anything but a plain table.
    """
    hint = "save the table as Parquet: DataFrame.to_parquet"
    try:
        table = _TableUnpickler(io.BytesIO(path.read_bytes())).load()
    except pickle.UnpicklingError as error:
        if "." not in str(error) or " " in str(error):
            raise DataError(f"{path}: not a pickle, or cut off: {error}", hint=hint) from None
        raise DataError(f"{path}: refused: the pickle wants to load {error}, which no table needs", hint=hint) from None
    except (EOFError, ValueError, TypeError, AttributeError, ImportError, KeyError, IndexError) as error:
        raise DataError(f"{path}: this pickle cannot be read here: {error}", hint=hint) from None
    if isinstance(table, pd.Series):
        return table.to_frame("value" if table.name is None else table.name)
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{path}: the pickle holds a {type(table).__name__}, not a DataFrame", hint=hint)
    return table
