"""A linear classifier on D's features, compared with one on the raw examples. Section 7.4 of the paper.

The classifier is scikit-learn's multinomial logistic regression on standardised numbers. Its regularisation is chosen
from `STRENGTHS` by cross-validation on the training examples, in the same way for both kinds of input. The test split
is not used for this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError, DataError, PluginError
from gankit.metrics.bench import Splits, source_of
from gankit.play.labelled import labelled_rows

STRENGTHS = tuple(10.0**k for k in range(-5, 2))
"""scikit-learn's C, of which the best in cross-validation is taken."""
FOLDS = 5


@dataclass(frozen=True)
class LinearError:
    """The share of a split's examples to which a linear classifier gives a wrong class.

    of: "features" of D, or "raw" examples. labelled: how many examples it learned from. strength: scikit-learn's C, as
    chosen by cross-validation. n, split: of what it is wrong about.
    """

    of: str
    labelled: int
    value: float
    strength: float
    n: int
    split: str


def linear_errors(
    trainer: Any,
    labelled: Iterable[int] = (100, 1000),
    *,
    seed: int | None = None,
    split: str = "test",
    data: Any = None,
) -> list[LinearError]:
    """Errors of linear classifiers on D's features and on raw examples, for each number of examples with labels.

    labelled: how many; drawn from the training split, as many of each class as of every other (`labelled_rows`).
    split: what they are judged on; of "train", the examples that they did not learn from.
    seed: of that draw; by default the game's, whose own labelled examples are then those of that number.
    data: what the game was trained on, where its config cannot name it.

    Raises ConfigError where D marks no features or the game has conditions, DataError without labels or such a split,
    PluginError without scikit-learn.
    """
    if trainer.spec.given:
        raise ConfigError(
            "This game's D is shown examples under conditions, of which its features would tell the linear classifier."
        )
    splits = Splits(data if data is not None else source_of(trainer), trainer.config)
    train, test = splits("train"), splits(split)
    if test.labels is None:
        raise DataError(f"{test.name} ({split}) has no labels to be right or wrong about.")
    trainer.features(train.x[:1])  # a D without features is told before anything is computed
    drawn = [labelled_rows(train, n, trainer.config.seed if seed is None else seed) for n in labelled]
    found, seen = list[LinearError](), trainer.features(test.x)
    for rows in drawn:
        # Of a split that has only one, the examples that the classifier does not learn from.
        asked = np.setdiff1d(np.arange(len(test)), rows) if split == "train" else np.arange(len(test))
        inputs = {"features": (trainer.features(train.x[rows]), seen[asked]), "raw": (train.x[rows], test.x[asked])}
        for of, (x, x_test) in inputs.items():
            value, strength = _error(x, np.asarray(train.labels)[rows], x_test, test.labels[asked])
            found.append(LinearError(of, len(rows), value, strength, len(asked), split))
    return found


def _error(x: Array, labels: Any, x_test: Array, labels_test: Array) -> tuple[float, float]:
    """(share of the test examples that are taken for another class, the strength that was chosen)."""
    linear_model, model_selection = _scikit_learn()
    x, x_test = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (x, x_test))
    mean, std = x.mean(axis=0), x.std(axis=0)
    x, x_test = ((a - mean) / np.where(std > 0, std, 1.0) for a in (x, x_test))
    folds = min(FOLDS, int(np.bincount(labels)[np.unique(labels)].min()))
    best = STRENGTHS[len(STRENGTHS) // 2]
    if folds > 1:  # one example of a class leaves nothing to choose by
        cut = model_selection.StratifiedKFold(folds)
        scores = [_score(linear_model, model_selection, c, x, labels, cut) for c in STRENGTHS]
        best = STRENGTHS[int(np.argmax(scores))]
    fitted = linear_model.LogisticRegression(C=best, max_iter=1000).fit(x, labels)
    return float(np.mean(fitted.predict(x_test) != labels_test)), best


def _score(linear_model: Any, model_selection: Any, c: float, x: Array, labels: Any, cut: Any) -> float:
    classifier = linear_model.LogisticRegression(C=c, max_iter=1000)
    return float(model_selection.cross_val_score(classifier, x, labels, cv=cut).mean())


def _scikit_learn() -> tuple[Any, Any]:
    from importlib import import_module

    try:
        return import_module("sklearn.linear_model"), import_module("sklearn.model_selection")
    except ImportError as error:
        raise PluginError(
            f"Linear classifiers of features are scikit-learn's ({error}). To get it: pip install 'gankit[features]'"
        ) from error
