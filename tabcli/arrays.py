"""The arrays that pass between modules, by what they hold; shapes stand in the docstrings."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
AnyArray = NDArray[Any]
"""Whatever a column holds: numbers, moments, or objects."""
ColumnValues = AnyArray | ExtensionArray | pd.Series
"""What a column of a table can be made from, (n,)."""
