"""Contenders side by side: interleaved repetitions, medians, ratios."""

import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

RESULTS = Path(__file__).parent / "results"


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call took."""
    start = perf_counter()
    work()
    return perf_counter() - start


def interleaved(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return each contender's median time in seconds, all taking turns.

    Parameters
    ----------
    contenders : dict of str to callable
        What is called is the same work for each.
    repeats : int
        Turns. Nothing is dropped: warm up before.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, work in contenders.items():
            times[name].append(seconds(work))
    return {name: median(taken) for name, taken in times.items()}


def ratios(work: str, times: dict[str, float], goals: dict[str, float]) -> list[dict]:
    """Return a row per peer: how many times faster skmask is, and what it has to be.

    Parameters
    ----------
    work : str
        What was done.
    times : dict of str to float
        Median seconds, "skmask" among them.
    goals : dict of str to float
        The least ratio against each peer.
    """
    return [
        {
            "work": work,
            "peer": peer,
            "peer_seconds": times[peer],
            "skmask_seconds": times["skmask"],
            "ratio": times[peer] / times["skmask"],
            "goal": goal,
            "reached": times[peer] / times["skmask"] >= goal,
        }
        for peer, goal in goals.items()
        if peer in times
    ]


def duration(seconds: float) -> str:
    """Return a time as people read it."""
    unit, factor = next(
        (unit, factor)
        for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6))
        if seconds * factor >= 1 or unit == "us"
    )
    return f"{seconds * factor:.3g} {unit}"


def report(name: str, rows: list[dict]) -> None:
    """Print ratios as a table, and write them as results/NAME.json."""
    print("| work | against | peer | skmask | times faster | at least |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        peer, ours = duration(row["peer_seconds"]), duration(row["skmask_seconds"])
        mark = "" if row["reached"] else " (missed)"
        print(
            f"| {row['work']} | {row['peer']} | {peer} | {ours} | {row['ratio']:.2g}{mark} "
            f"| {row['goal']:.2g} |"
        )
    write(name, rows)


def write(name: str, rows: object) -> None:
    """Write rows with the machine and the versions that they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{
            package: version(package)
            for package in ("tensorflow", "keras", "scikit-learn", "numpy")
        },
    }
    (RESULTS / f"{name}.json").write_text(json.dumps({"about": about, "rows": rows}, indent=1))
