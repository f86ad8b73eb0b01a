"""A space → two dimensions. What two dimensions cannot show is lost: PCA says how much it shows."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np

from tabcli.arrays import FloatArray
from tabcli.errors import UsageError

Method = Literal["pca", "tsne", "umap"]
METHODS: tuple[Method, ...] = ("pca", "tsne", "umap")
NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}

FEWEST_CURVED = 5
"""Fewer points are always drawn by PCA."""


@dataclass(frozen=True, eq=False)
class Projection:
    """`points`: float64 (n, 2). `method`: what it was made by. `shown`: the share of the variance, of PCA alone."""

    points: FloatArray
    method: Method
    shown: float | None


def project(vectors: FloatArray, method: Method, seed: int) -> Projection:
    """Vectors (n, d) → points (n, 2); the same seed gives the same points. Raises `UsageError` where UMAP lacks."""
    if method == "umap" and find_spec("umap") is None:
        raise UsageError("--map umap needs the package umap-learn", hint="pip install 'tabcli[umap]', or --map tsne")
    if method == "pca" or len(vectors) < FEWEST_CURVED:
        return _pca(vectors)
    if method == "tsne":
        from sklearn.manifold import TSNE

        start = _pca(vectors).points
        spread = start[:, 0].std() or 1.0
        perplexity = min(30.0, (len(vectors) - 1) / 3)
        made = TSNE(perplexity=perplexity, init=1e-4 * start / spread, random_state=seed, n_jobs=1)
        return Projection(made.fit_transform(vectors).astype("float64"), method, None)
    from umap import UMAP

    near = min(15, len(vectors) - 1)
    points = UMAP(n_neighbors=near, random_state=seed, n_jobs=1, init=_pca(vectors).points).fit_transform(vectors)
    return Projection(np.asarray(points, dtype="float64"), method, None)


def _pca(vectors: FloatArray) -> Projection:
    """The two directions of most variance, each turned so that its largest loading is positive."""
    centred = vectors - vectors.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    n = min(2, len(sizes))
    signs = np.sign(right[np.arange(n), np.abs(right[:n]).argmax(axis=1)])
    points[:, :n] = left[:, :n] * sizes[:n] * np.where(signs == 0, 1.0, signs)
    total = float((sizes**2).sum())
    return Projection(points, "pca", float((sizes[:n] ** 2).sum() / total) if total > 0 else 1.0)
