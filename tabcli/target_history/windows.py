"""How far back the target history looks, in time and in steps."""

from dataclasses import dataclass
from itertools import pairwise

from tabcli.config.features import History as HistoryConfig
from tabcli.config.values import Duration
from tabcli.features.frequency import DAY, HOUR, WEEK


@dataclass(frozen=True)
class Windows:
    """The lengths of time that the target history looks back; `HistorySpec` has them in steps and explains them."""

    windows: tuple[Duration, ...]
    base: Duration
    effect: Duration
    recent_effect: Duration
    season: Duration

    @classmethod
    def parse(cls, windows: str, base: str, effect: str, recent_effect: str, season: str) -> "Windows":
        """From texts such as "8w 4w"."""
        lengths = tuple(Duration.parse(w) for w in windows.split())
        return cls(lengths, *(Duration.parse(w) for w in (base, effect, recent_effect, season)))


def suited_windows(unit_seconds: int) -> Windows:
    """The windows for steps of `unit_seconds`, where the config gives none.

    There are four sets: for steps of up to 6 hours, of less than a week, of less than four weeks, and longer ones.
    """
    if unit_seconds <= 6 * HOUR:
        return Windows.parse("8w 4w 14d 7d 48h 24h", "7d", "8w", "14d", "7d")
    if unit_seconds < WEEK:
        return Windows.parse("364d 182d 91d 28d 14d 7d", "28d", "364d", "91d", "364d")
    if unit_seconds < 28 * DAY:
        return Windows.parse("104w 52w 26w 13w 8w 4w", "8w", "52w", "26w", "52w")
    return Windows.parse("36mo 24mo 12mo 6mo 3mo", "6mo", "36mo", "12mo", "12mo")


@dataclass(frozen=True)
class HistorySpec:
    """What the target history is made of; lengths in steps.

    `windows`: of the levels, the longest first. `base`: the window of the base level, one of `windows`. `effect`,
    `recent_effect`: of the cells' effects. `season`: how long a season is; `season_windows`: of the lifts. `shrink`:
    how many observations the longer window, or all series, count as. `horizon`: how many steps ahead, the gap included.
    `n_cells`: how many cells. `use`: which parts of `names` are inputs. `others`: past-only columns whose levels are
    inputs too.
    """

    windows: tuple[int, ...]
    base: int
    effect: int
    recent_effect: int
    season: int
    season_windows: tuple[int, ...]
    shrink: float
    horizon: int
    n_cells: int
    use: tuple[str, ...]
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: HistoryConfig, unit_seconds: int, horizon: int, n_cells: int) -> "HistorySpec":
        """The config's durations, or those that suit steps of `unit_seconds`, as whole steps, each at least one."""

        def steps(duration: Duration) -> int:
            return max(1, round(duration.seconds / unit_seconds))

        suited = suited_windows(unit_seconds)
        base_window = steps(config.base or suited.base)
        lengths = {steps(w) for w in config.windows or suited.windows}
        if config.base is not None:
            lengths.add(base_window)  # a base that is asked for is not made the nearest of other lengths
        windows = tuple(sorted(lengths, reverse=True))
        return cls(
            windows=windows,
            base=min(windows, key=lambda w: abs(w - base_window)),
            effect=steps(config.effect_window or suited.effect),
            recent_effect=steps(config.recent_effect_window or suited.recent_effect),
            season=steps(config.season or suited.season),
            season_windows=tuple(w for w in windows if w <= base_window and w >= steps(Duration(7, "d"))),
            shrink=config.shrink,
            horizon=horizon,
            n_cells=n_cells,
            use=config.use,
            others=config.columns,
        )

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which they are computed."""
        shorter = [f"level {a} - {b}" for b, a in pairwise(self.windows)]
        lifts = [f"lift {w}" for w in self.season_windows]
        parts = {
            "levels": [*shorter, "observations", "steps since the last"],
            "spread": ["spread"],
            "columns": [f"{c} {what}" for c in self.others for what in ("level", "change")],
            "effects": ["effect", "recent effect - effect"],
            "chain": [f"all series: {name}" for name in shorter],
            "season": [*lifts, *(f"all series: {name}" for name in lifts), "season known"],
        }
        return [name for part, names in parts.items() if part in self.use for name in names] + ["horizon"]
