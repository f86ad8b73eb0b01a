"""What a run must beat: naive forecasts of the validation rows."""

from dataclasses import dataclass

from tabcli.artifacts.contents import Run
from tabcli.config.schema import ONE_SERIES


@dataclass(frozen=True)
class Baselines:
    """Forecasts of the validation rows by the config's metric: the run's own, and naive ones, the best first.

    `floor`: what stands beside the networks in the forecast, in words.
    """

    metric: str
    own: float
    naive: dict[str, float]
    floor: str


def baselines_of(run: Run) -> Baselines:
    """What the forecast must beat."""
    metrics, floor = run.metrics, run.floor
    scores = {
        name.replace(f"{ONE_SERIES} × ", "").replace(ONE_SERIES, "all rows"): score
        for name, score in sorted(metrics.baseline.scores.items(), key=lambda item: item[1])
    }
    if floor.share:
        mixture = ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in floor.mixture.items())
        text = f"Naive forecasts stand beside the networks with a share of {100 * floor.share:.0f} %: {mixture}."
    else:
        text = "No naive forecasts stand beside the networks."
    return Baselines(metrics.metric, metrics.score, scores, text)
