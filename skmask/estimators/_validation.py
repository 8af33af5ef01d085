"""Validation rows, given to `fit` or held out of training, and the score watched on them."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import partial, update_wrapper
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.metadata_routing import get_routing_for_object

from skmask.data._blocks import Blocks
from skmask.data._frames import as_list
from skmask.data._messages import shown
from skmask.data._shares import most_probable_labels
from skmask.data._sklearn import part_of
from skmask.engine import History, State
from skmask.estimators._reading import Given, opened_rows
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows

__all__ = [
    "Monitor",
    "Validation",
    "check_monitor",
    "naming_validation",
    "read_validation",
    "split_off_validation",
]

_SUFFIX = "_val"

# Names of arguments in messages of readers: not labels in quotes, nor parts of other names.
_ARGUMENTS = re.compile(r"(?<!['\"\w.])(X|y|sample_weight|allowed|^costs)(?!['\"\w])")

# Arguments by row of methods of an estimator, and the methods that take a mask.
_FOR_PREDICTION = ("allowed", "costs")
_TAKE_MASK = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score")


@dataclass(frozen=True)
class Validation:
    """Rows to validate on.

    Parameters
    ----------
    rows : Rows
        Checked, as the engine takes them.
    given : Given
        As they were passed, or the training rows of which they are a part.
    is_part : bool, default=False
    """

    rows: Rows
    given: Given
    is_part: bool = False

    def passed(self, values: Any) -> Any:
        """Return an argument of `fit` for these rows, with the names that it had.

        Other sparse matrices than CSR become CSR.
        """
        if not self.is_part:
            return values
        if sparse.issparse(values):
            values = sparse.csr_array(values)
        numbers = np.sort(self.rows.numbers)  # type: ignore[arg-type]
        if isinstance(values, Blocks):
            return values.part(numbers)
        return part_of(as_list(values), numbers)


def _has_rows(values: Any) -> bool:
    """Say whether an argument has an entry for each row of X: one number or word has none."""
    return values is not None and not isinstance(values, str) and np.shape(values) != ()


def _is_one_mask(allowed: Any) -> bool:
    """Say whether a mask holds for all rows."""
    entries = as_list(allowed)
    if isinstance(entries, list | tuple):
        return np.ndim(entries[0]) == 0 and not isinstance(entries[0], set | frozenset)
    return isinstance(entries, str) or len(entries.shape) == 1


# Reading.


def split_off_validation(
    arguments: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of a fit beside X and y, and those of validation rows by short names."""
    training = {name: each for name, each in arguments.items() if not name.endswith(_SUFFIX)}
    own = {
        name.removesuffix(_SUFFIX): each
        for name, each in arguments.items()
        if name.endswith(_SUFFIX)
    }
    return training, own


@dataclass(frozen=True)
class _AsRead:
    """What was learnt from reading training rows, where readers expect a fit before."""

    training: Rows

    @property
    def values(self) -> Mapping[str, Any]:
        return self.training.values

    @property
    def row_shape(self) -> tuple[int | None, ...]:
        shape = self.training.X.shape[1:]
        return shape if len(shape) > 1 else (self["n_features_in_"],)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def read_validation(
    estimator: Any,
    training: Rows,
    metadata: Mapping[str, Any],
    own: Mapping[str, Any],
) -> Validation | None:
    """Read validation rows by the reader of the training rows, against what that has learnt.

    Parameters
    ----------
    estimator : estimator
        Its hook `_read` reads training rows.
    training : Rows
    metadata : mapping of str to anything
        The arguments of training beside X and y.
    own : mapping of str to anything
        The arguments of the validation rows, by the names of those of training.

    Returns
    -------
    Validation, or None where no argument was given
    """
    given_names = [name for name, each in own.items() if each is not None]
    if not given_names:
        return None
    _check_come_together(given_names)
    before: Any = _AsRead(training)
    beside = {name: each for name, each in own.items() if name not in ("X", "y")}
    if beside.get("allowed") is None and isinstance(metadata.get("allowed"), str):
        beside["allowed"] = metadata["allowed"]  # lifted on purpose, there too
    with naming_validation():
        X, y = opened_rows(estimator, own["X"], own["y"], before, "X_val")
        given = Given(X, y, before, metadata=beside, training=training)
        rows = estimator._read(given)
        if not rows.weight.any():
            raise ValueError(
                "y must hold a label with a weight above 0; got none. Pass rows that count."
            )
    for name, each in beside.items():
        if name != "sample_weight":
            _check_given_alike(name, metadata[name], each)
    names_labels = isinstance(own["y"], str)  # a column of X, which predictions must not see
    return Validation(rows.that_count(), given if names_labels else replace(given, X=own["X"]))


def _check_come_together(names: Sequence[str]) -> None:
    for name, cure in (("X", "Pass the rows"), ("y", "Pass their labels")):
        if name not in names:
            others = " and ".join(each + _SUFFIX for each in names)
            raise ValueError(
                f"{name}{_SUFFIX} must be given with {others}; got None. {cure}, or "
                f"leave {others} out."
            )


def _check_given_alike(name: str, of_training: Any, own: Any) -> None:
    """Raise where only one of both has a mask, or costs by row."""
    lifted = [isinstance(each, str) for each in (of_training, own)]
    if of_training is not None and not lifted[0] and own is None:
        raise ValueError(
            f"{name}{_SUFFIX} must be given where {name} is given; got None. Pass that of the "
            "validation rows."
        )
    if own is not None and not lifted[1] and (of_training is None or lifted[0]):
        raise ValueError(
            f"{name} must be given where {name}{_SUFFIX} is given; got {shown(of_training)}. Pass "
            f"that of the training rows, or leave {name}{_SUFFIX} out."
        )


@contextmanager
def naming_validation() -> Iterator[None]:
    """Let the messages of readers call arguments by the names of those of validation rows."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(_ARGUMENTS.sub(rf"\1{_SUFFIX}", str(error))) from error


# The score that early stopping watches.


def check_monitor(monitor: Any) -> None:
    """Raise for a `monitor` that is a word, but no known one."""
    if not isinstance(monitor, str) or monitor in ("loss", "accuracy"):
        return
    from sklearn.metrics import get_scorer_names  # takes a tenth of a second to import

    if monitor not in get_scorer_names():
        raise ValueError(
            "monitor must be 'loss', 'accuracy', the name of a scorer or a callable; got "
            f"{shown(monitor)}. See sklearn.metrics.get_scorer_names()."
        )


class Monitor:
    """Scores the state that a training has reached on validation rows; greater is better.

    Parameters
    ----------
    estimator : estimator
        Its parameter `monitor` is read.
    validation : Validation
    """

    # Set before the training: `(state, history) -> Fit`.
    record: Callable[[State, History], Fit]

    def __init__(self, estimator: Any, validation: Validation):
        self._estimator = estimator
        self._validation = validation
        self._history: History = {}
        self.scores: list[float] = []
        self._scorer: Callable[[Any], float] | None = None

    def __call__(self, logs: dict[str, float], read_state: Callable[[], State]) -> float:
        """Return the score of an epoch that ended with these logs."""
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        self.scores.append(self._score(logs, read_state))
        return self.scores[-1]

    def values(self, n_epochs: int) -> dict[str, Any]:
        """Return the attributes that a fit of so many epochs has."""
        scores = self.scores[:n_epochs]
        if not scores:
            return {}
        best = int(np.nan_to_num(scores, nan=-np.inf).argmax())
        return {"best_epoch_": best + 1, "validation_scores_": scores}

    def _score(self, logs: dict[str, float], read_state: Callable[[], State]) -> float:
        monitor = self._estimator.monitor
        if monitor == "loss":
            return -logs["val_loss"]
        takes_most_probable = getattr(self._estimator, "decision", "argmax") == "argmax"
        if monitor == "accuracy" and "val_accuracy" in logs and takes_most_probable:
            return logs["val_accuracy"]
        if self._scorer is None:
            self._scorer = _scorer_on(self._validation, monitor)
        fitted = copy(self._estimator)
        fitted._record = self.record(read_state(), self._history)
        return _checked_score(self._scorer(fitted), len(self.scores) + 1)


def _checked_score(score: Any, epoch: int) -> float:
    if not isinstance(score, Real) or not np.isfinite(float(score)):
        raise ValueError(
            f"monitor must return a finite number; got {shown(score)} in epoch {epoch}. Use "
            "another scorer, or validation rows on which it is defined."
        )
    return float(score)


def _scorer_on(validation: Validation, monitor: Any) -> Callable[[Any], float]:
    """Return a function of a fitted estimator to its score on rows as they were passed."""
    given, metadata = validation.given, validation.given.metadata
    X, y = validation.passed(given.X), validation.passed(given.y)
    weight = metadata.get("sample_weight")
    weight = validation.passed(weight) if _has_rows(weight) else None
    beside = {
        name: value if name == "allowed" and _is_one_mask(value) else validation.passed(value)
        for name, value in metadata.items()
        if name in _FOR_PREDICTION and value is not None
    }
    scorer = _named_scorer(monitor)
    wanted = get_routing_for_object(scorer).consumes("score", beside)
    arguments = {name: beside[name] for name in wanted}
    if isinstance(monitor, str) and monitor != "accuracy":  # of scikit-learn, which knows neither
        y = _without_shares(y, validation.rows)
        weight = None if weight is None or np.ndim(weight) > 1 else weight
    if weight is not None and _takes_weight(scorer):
        arguments["sample_weight"] = weight

    def score(estimator: Any) -> float:
        return scorer(_with_metadata(estimator, beside), X, y, **arguments)

    return score


def _without_shares(y: Any, rows: Rows) -> Any:
    """Return the most probable labels where y holds shares of the classes, otherwise y."""
    is_of_shares = "is_restricted" in rows.values and rows.target.dtype.kind == "f"
    return most_probable_labels(y, rows.values["announced"]) if is_of_shares else y


def _takes_weight(scorer: Any) -> bool:
    try:
        return "sample_weight" in inspect.signature(scorer).parameters
    except ValueError:  # of a function that does not say
        return False


def _named_scorer(monitor: Any) -> Callable[..., float]:
    if not isinstance(monitor, str):
        return monitor
    if monitor == "accuracy":
        return lambda estimator, X, y, sample_weight=None: estimator.score(X, y, sample_weight)
    from sklearn.metrics import get_scorer

    return get_scorer(monitor)


def _with_metadata(estimator: Any, beside: Mapping[str, Any]) -> Any:
    """Return the estimator, its methods given masks and costs where a scorer passes none."""
    for name in _TAKE_MASK if beside else ():
        # Only costs by true and predicted class decide.
        is_by_class = np.ndim(beside.get("costs", 0)) == 3
        takes_costs = name == "score" or (name == "predict" and is_by_class)
        takes = _FOR_PREDICTION if takes_costs else ("allowed",)
        known = {each: value for each, value in beside.items() if each in takes}
        method = getattr(estimator, name)
        vars(estimator)[name] = update_wrapper(partial(method, **known), method)
    return estimator
