"""One of two ranks, or one of one, that train in this process: `python -m tests.joined_ranks RANK SIZE STORE OUT`.

What each has at the end is in the file OUT, by name: gradients, weights, running statistics.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tabcli.training.dataset import Batch, Dataset
from tabcli.training.group import ALONE, Group, joined
from tabcli.training.loop import Callbacks, Trainer, fit, get_weights, load_model, predict_outputs
from tests.test_training import TRAIN, VALID, make_settings, make_spec, score

EXACT = {"category_dropout": 0.0, "precision": "float32"}
"""Nothing is drawn, nothing is rounded to bfloat16."""


def flat_gradient(trainer: Trainer, batch: Batch, group: Group) -> Tensor:
    trainer.model.train()
    trainer.loss_with_gradient(batch)
    parts = [g["params"][0].grad for g in trainer.optimizer.param_groups]
    group.average(parts)
    return torch.cat(parts)


def main(rank: int, size: int, store: Path, out: Path) -> None:
    torch.set_num_threads(1)
    found: dict[str, np.ndarray] = {}
    with joined(rank, size, store) as group:
        settings = make_settings(batch_size=512, **EXACT)
        batches = {
            "joint": next(TRAIN.batches(512 // size, 3, 1, rank, size)),
            "alone": next(TRAIN.batches(512, 3, 1)),
        }
        groups = {"joint": group, "alone": ALONE}
        for name, batch in batches.items():
            trainer = Trainer(make_spec(), settings, TRAIN, 3, groups[name])
            found[f"gradient/{name}"] = flat_gradient(trainer, batch, groups[name]).numpy()
        for name, own in groups.items():
            made = fit(
                make_spec(),
                make_settings(epochs=20, lr=0.03, batch_size=512, **EXACT),
                TRAIN,
                VALID,
                score=score,
                seed=3,
                group=own,
            )
            found[f"outputs/{name}"] = predict_outputs(load_model(make_spec(), made.weights), VALID)
        normed = make_spec(batch_norm=True, continuous_batch_norm=True)
        trainer = Trainer(normed, make_settings(average=0.9, batch_size=512, mixup=0.4), TRAIN, 3, group)
        trainer.run_epoch(TRAIN, 1, lambda done, total: None)
        networks = {"model": trainer.model, "average": trainer.average.module}  # type: ignore[union-attr]
        found |= {f"{n}/{k}": v for n, network in networks.items() for k, v in get_weights(network).items()}
        # One epoch in three is the best; each rank must know it, or one of them waits for ever.
        scores = iter([3.0, 1.0, 2.0, 2.0])
        told: list[int] = []
        ended = fit(
            make_spec(dropout=0.1),
            make_settings(epochs=4, patience=1, mixup=0.4),
            TRAIN,
            VALID,
            score=lambda outputs: {**score(outputs), "valid_rmspe": next(scores)},
            seed=3,
            callbacks=Callbacks(on_epoch=lambda record: told.append(record.epoch)),
            group=group,
        )
        found |= {f"fit/{k}": v for k, v in ended.weights.items()}
        found["best"], found["told"] = np.array(ended.best_epoch), np.array(told)
    np.savez(out, **found)  # type: ignore[arg-type]


def rows_of_all(data: Dataset, rows: int, size: int) -> list[list[Tensor]]:
    """What each rank sees in an epoch: the targets of each of its batches."""
    return [[batch.y for batch in data.batches(rows, 3, 1, rank, size)] for rank in range(size)]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
