"""What a forecast must beat, judged on the very same rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def group_medians(
    train: pd.DataFrame, target: NDArray[np.float64], rows: pd.DataFrame, by: Sequence[str]
) -> NDArray[np.float64]:
    """The median target of the training rows that share a row's values in `by`, float64 (n,).

    Where there is no such training row, one column less is compared, from the end of `by`; at last the median of all.
    """
    forecast = np.full(len(rows), np.nan)
    for n_keys in range(len(by), 0, -1):
        keys = list(by[:n_keys])
        medians = pd.Series(target, index=train.index).groupby([train[k] for k in keys], observed=True).median()
        gaps = np.isnan(forecast)
        if not gaps.any():
            break
        wanted = pd.MultiIndex.from_frame(rows.loc[gaps, keys]) if n_keys > 1 else pd.Index(rows.loc[gaps, keys[0]])
        forecast[gaps] = medians.reindex(wanted).to_numpy()
    return np.where(np.isnan(forecast), np.median(target), forecast)
