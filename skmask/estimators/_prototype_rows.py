"""Choice of the rows that the classes are compared with."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skmask.data._prototypes import (
    check_prototype_rows,
    check_row_numbers,
    check_scale,
    chosen_rows,
    dense,
    given_prototypes,
)
from skmask.estimators._reading import Given
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows

__all__ = ["chosen_prototypes"]

# Parameters whose values at the fit are kept, to see which changed when training goes on.
_ASKED = ("prototypes", "n_prototypes", "scale")


def chosen_prototypes(clf: Any, given: Given, rows: Rows) -> dict[str, Any]:
    """Return the attributes that say which rows the classes are compared with.

    Parameters
    ----------
    clf : PrototypeClassifier
        Its parameters are read.
    given : Given
        A training that goes on keeps the prototypes of the fit before.
    rows : Rows
    """
    names = rows.values.get("feature_names_in_", np.arange(rows.X.shape[1]))
    labels = given.metadata.get("prototype_labels")
    if given.before is None:
        chosen = _choose(clf, rows, labels, names)
    else:
        chosen = _chosen_before(clf, given.before, rows, labels, names)
    return {**chosen, "asked": {name: _copied(getattr(clf, name)) for name in _ASKED}}


def _choose(clf: Any, rows: Rows, prototype_labels: Any, names: np.ndarray) -> dict[str, Any]:
    """Return the attributes that say which rows the classes are compared with."""
    scale = check_scale(clf.scale, rows.X, rows.weight, names)
    given = None
    if not isinstance(clf.prototypes, str):
        given = given_prototypes(clf.prototypes, names)
        if given.ndim == 2:
            prototypes, codes = check_prototype_rows(
                given, prototype_labels, rows.outputs, rows.X.shape[1]
            )
            return {
                "prototypes_": prototypes,
                "prototype_labels_": rows.outputs[codes],
                "prototype_indices_": np.full(len(prototypes), -1),
                "scale_": scale,
            }
    if prototype_labels is not None:
        raise ValueError(
            "prototype_labels must be given with rows in the parameter prototypes, and only "
            f"then; got both prototype_labels and prototypes={clf.prototypes!r}. Drop one."
        )
    if given is not None:
        numbers = check_row_numbers(given, len(rows))
    else:
        numbers = chosen_rows(
            rows.X,
            rows.target,
            rows.weight,
            scale,
            rows.outputs,
            way=clf.prototypes,
            n_prototypes=clf.n_prototypes,
            seed=int(check_random_state(clf.random_state).randint(np.iinfo(np.int32).max)),
        )
    return {
        "prototypes_": dense(rows.X[numbers]),
        "prototype_labels_": rows.outputs[rows.target[numbers]],
        "prototype_indices_": numbers,
        "scale_": scale,
    }


def _chosen_before(
    clf: Any, before: Fit, rows: Rows, prototype_labels: Any, names: np.ndarray
) -> dict[str, Any]:
    """Return the prototypes of the fit that goes on; `scale` may have changed since."""
    asked: Mapping[str, Any] = before["asked"]
    changed = ["prototypes"] if _asks_for_others(clf, before, names) else []
    if clf.n_prototypes != asked["n_prototypes"]:
        changed.append("n_prototypes")
    if prototype_labels is not None and not _is_same(prototype_labels, before["prototype_labels_"]):
        changed.append("prototype_labels")
    if changed:
        raise ValueError(
            f"{' and '.join(changed)} must stay the same while training goes on (warm_start, "
            "partial_fit), which keeps its prototypes; got another value. Set it back, or "
            "clone the estimator."
        )
    kept = ("prototypes_", "prototype_labels_", "prototype_indices_", "scale_")
    chosen = {name: before[name] for name in kept}
    if isinstance(clf.scale, str) and isinstance(asked["scale"], str):
        return chosen
    return {**chosen, "scale_": check_scale(clf.scale, rows.X, rows.weight, names)}


def _asks_for_others(clf: Any, before: Fit, names: np.ndarray) -> bool:
    """Say whether `prototypes` differs from those of the fit before."""
    if isinstance(clf.prototypes, str):
        return not _is_same(clf.prototypes, before["asked"]["prototypes"])
    given = given_prototypes(clf.prototypes, names)
    return not np.array_equal(
        given, before["prototypes_"] if given.ndim == 2 else before["prototype_indices_"]
    )


def _copied(value: Any) -> Any:
    """Return a parameter as it is now, independent of later changes of the object."""
    return value if isinstance(value, str | Real) else np.array(value)


def _is_same(value: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(value), np.asarray(other))
