"""Guesses of each exit at clusters of the deepest hidden states: evidence without any label.

Source: DAISY (arXiv:2406.05464), whose HuBERT has one projection per layer onto the clusters of its
pre-training; here the clusters and the projections are fitted afterwards, to a model of any kind.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from espnet_ee.data.files import write_bytes_atomic
from espnet_ee.errors import ConfigError, DataError

CLUSTERS_NAME = "clusters.npz"


@dataclass(frozen=True, eq=False)
class Clusters:
    """Linear classifiers of E exits into K clusters.

    Attributes:
        layers: Of the exits, ``E``.
        weights: ``(E, K, D)`` float32.
        biases: ``(E, K)`` float32.
    """

    layers: tuple[int, ...]
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]

    @property
    def count(self) -> int:
        """K."""
        return int(self.biases.shape[1])

    @classmethod
    def fit(
        cls, layers: Sequence[int], hidden: NDArray[np.float32], count: int, seed: int = 0
    ) -> Clusters:
        """Cluster the last exit's states and let every exit learn to guess the cluster.

        Args:
            layers: Of the exits, ``E``.
            hidden: ``(E, N, D)`` states of the same N frames at each exit.
            count: K.
            seed: Of k-means.

        Raises:
            DataError: Fewer frames than a classifier of so many clusters can be fitted to.
        """
        from sklearn.cluster import KMeans
        from sklearn.linear_model import LogisticRegression

        frames = hidden.shape[1]
        if frames < 10 * count:
            raise DataError(
                "Too little audio for so many clusters.",
                got=f"{frames} frames, {count} clusters",
                want=f"{10 * count} frames or more",
            )
        labels = KMeans(count, n_init=3, random_state=seed).fit_predict(hidden[-1])
        learner = {"tol": 0.01, "max_iter": 2000}
        guesses = [LogisticRegression(**learner).fit(states, labels) for states in hidden]
        weights = np.stack([guess.coef_ for guess in guesses])
        biases = np.stack([guess.intercept_ for guess in guesses])
        if count == 2:  # scikit-learn has one row for two classes
            weights = np.concatenate([-weights / 2, weights / 2], axis=1)
            biases = np.stack([-biases[:, 0] / 2, biases[:, 0] / 2], axis=1)
        return cls(tuple(layers), weights.astype(np.float32), biases.astype(np.float32))

    def save(self, path: Path) -> None:
        """Write ``clusters.npz``."""
        import io

        buffer = io.BytesIO()
        np.savez(buffer, layers=np.array(self.layers), weights=self.weights, biases=self.biases)
        write_bytes_atomic(path, buffer.getvalue())

    def check_exits(self, layers: Sequence[int]) -> None:
        """Refuse a model with other exits than these were fitted to.

        Raises:
            ConfigError: Its exits differ.
        """
        if self.layers != tuple(layers):
            raise ConfigError(
                f"{CLUSTERS_NAME} was fitted to other exits.",
                got=", ".join(map(str, self.layers)),
                want=", ".join(map(str, layers)),
                fix=f"espnet-ee clusters, or remove {CLUSTERS_NAME}",
            )

    @classmethod
    def find(cls, folder: Path) -> Clusters | None:
        """What lies in the folder of a model, if it does.

        Raises:
            DataError: The file is damaged or something else.
        """
        path = folder / CLUSTERS_NAME
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                layers = tuple(int(layer) for layer in arrays["layers"])
                return cls(layers, arrays["weights"], arrays["biases"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path} cannot be read.", got=str(error), fix="espnet-ee clusters"
            ) from error
