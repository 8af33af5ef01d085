"""Watchers of a training: lines printed, and scikit-learn's callbacks."""

from collections.abc import Callable
from typing import Any

from skmask.engine import History, State

__all__ = ["EpochTasks", "Printer"]


class Printer:
    """Prints a line per epoch.

    Parameters
    ----------
    epochs : int
    """

    def __init__(self, epochs: int):
        self._epochs = epochs

    def begin_epoch(self, epoch: int) -> None:
        """Do nothing."""

    def end_epoch(self, epoch: int, logs: dict[str, float], state: Callable[[], State]) -> bool:
        """Print the results of the epoch."""
        values = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
        print(f"Epoch {epoch + 1}/{self._epochs} - {values}")
        return False

    def end(self) -> None:
        """Do nothing."""


class EpochTasks:
    """Tells scikit-learn's callbacks of a fit and its epochs.

    Parameters
    ----------
    estimator : estimator with scikit-learn's callback support
    epochs : int
        At most so many will be run.
    X, y, metadata
        The arguments of the fit.
    """

    # Set before the training: `(state, history)` to what makes the estimator fitted.
    fitted: Callable[[State, History], dict[str, Any]]

    def __init__(self, estimator: Any, epochs: int, X: Any, y: Any, metadata: dict[str, Any]):
        given = {name: value for name, value in metadata.items() if value is not None}
        self._told = {"estimator": estimator, "X": X, "y": y, "metadata": given}
        self._context = estimator._init_callback_context(max_subtasks=epochs)
        self._epoch: Any = None
        self._history: History = {}
        self.are_wanted = bool(getattr(estimator, "_skl_callbacks", ()))

    def begin(self) -> None:
        """Tell that the fit begins."""
        self._context.call_on_fit_task_begin(**self._told)

    def begin_epoch(self, epoch: int) -> None:
        """Tell that an epoch begins."""
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._told)

    def end_epoch(self, epoch: int, logs: dict[str, float], state: Callable[[], State]) -> bool:
        """Tell that an epoch is over; return True where a callback stops the training."""
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        return self._epoch.call_on_fit_task_end(
            **self._told, reconstruction_attributes=lambda: self.fitted(state(), self._history)
        )

    def end(self) -> None:
        """Do nothing: `close` tells that the fit is over."""

    def close(self) -> None:
        """Tell that the fit is over."""
        self._context.call_on_fit_task_end(**self._told)
