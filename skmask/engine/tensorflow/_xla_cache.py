"""Code compiled by XLA, kept on disk where the environment variable SKMASK_CACHE_DIR says.

TensorFlow reads and writes such code by itself, but trusts whatever lies there. So each process
gives it a working directory of its own, filled with the entries whose checksum is right, and adds
new entries to the store when they are whole. Entries stand in a directory for each combination of
versions, processor and settings, and are no use to any other.

TensorFlow reads the setting once, when it is first asked for one of its XLA flags. It is set in
the environment of the C library for that call, some microseconds, and never in `os.environ`; a
process that another thread starts within them inherits it. Functions of one's own with
`jit_compile=True` are kept as well: the setting is one for the process. Where TensorFlow computed
something before skmask was imported, the setting comes too late and nothing is kept.
"""

import atexit
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

__all__ = ["VARIABLE", "compiling", "requested_directory", "use_store"]

VARIABLE = "SKMASK_CACHE_DIR"
_FLAGS = "TF_XLA_FLAGS"
_FLAG = "--tf_xla_persistent_cache_directory"

# An entry takes a quarter of a megabyte; all are read when TensorFlow is imported.
_ENTRIES_AT_MOST = 256
_BYTES_FREE = 1 << 27
# Seconds after which a working directory is taken for that of a process that was killed.
_WORK_LASTS = 86_400.0
_DIGEST_SIZE = hashlib.sha256().digest_size
_ABOUT_PROCESSOR = ("flags", "Features", "model name")
# In the message that TensorFlow writes, the number of the field with the machine code.
_CODE_FIELD = 3


def requested_directory() -> Path | None:
    """Return the directory that the user has named for compiled code, made if it is not there.

    Raises
    ------
    ValueError
        Where it is no directory, or others than the user can write to it: it holds machine code.
    """
    name = os.environ.get(VARIABLE)
    if not name or _FLAG.lstrip("-") in os.environ.get(_FLAGS, ""):
        return None
    return _private(Path(name).expanduser().resolve())


def _private(path: Path) -> Path:
    """Return a directory, made if it is not there, that only the user can write to."""
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700, parents=True)
        status = path.stat()
    except OSError as error:
        raise _refused(path, f"which cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise _refused(path, "which is no directory")
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise _refused(path, "which belongs to another user")
    if os.name == "posix" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _refused(path, f"which others can write to (mode {stat.S_IMODE(status.st_mode):o})")
    return path


def _refused(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{VARIABLE} must be a directory that only you can write to, because code in it is run; "
        f"got {str(path)!r}, {why}. Run chmod 700 on it, name another, or unset the variable."
    )


def use_store(directory: Path | None, version: str, read_flags: Callable[[], object]) -> None:
    """Let TensorFlow take compiled code from the store of a directory, and add to it.

    Parameters
    ----------
    directory : Path or None
        None: nothing is kept.
    version : str
        Version of TensorFlow.
    read_flags : callable
        Makes TensorFlow read its XLA flags.
    """
    global _store
    if directory is None:
        return
    if shutil.disk_usage(directory).free < _BYTES_FREE:  # TensorFlow fails where it cannot write
        warnings.warn(
            f"{VARIABLE} has no effect: the disk is full. Free some space.",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    store = _Store(_private(directory / _name_of_versions(version)))
    before = os.environ.get(_FLAGS)
    quoted = str(store.work).replace("\\", r"\\").replace('"', r"\"")
    flags = f'{_FLAG}="{quoted}"'
    os.putenv(_FLAGS, flags if before is None else f"{before} {flags}")
    try:
        read_flags()
    finally:
        if before is None:
            os.unsetenv(_FLAGS)
        else:
            os.putenv(_FLAGS, before)
    _store = store


def _name_of_versions(tensorflow: str) -> str:
    """Return a name for all that compiled code depends on, beside what is compiled."""
    parts = [
        tensorflow,
        import_module("skmask").__version__,
        platform.python_version(),
        platform.machine(),
        str(os.cpu_count()),
        *_processor(),
        *(os.environ.get(name, "") for name in (_FLAGS, "XLA_FLAGS", "OMP_NUM_THREADS")),
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return f"tensorflow-{tensorflow}-{sys.platform}-{digest}"


def _processor() -> list[str]:
    """Return lines that name the processor and what it can do."""
    with suppress(OSError), open("/proc/cpuinfo") as file:
        return sorted({line for line in file if line.startswith(_ABOUT_PROCESSOR)})
    return [platform.processor()]


class _Store:
    """Entries on disk, each a checksum and what TensorFlow wrote, and a working directory.

    Parameters
    ----------
    path : Path
        Directory of the entries.
    """

    def __init__(self, path: Path):
        self._path = path
        self._remove_abandoned()
        self.work = Path(tempfile.mkdtemp(prefix="work-", dir=path))
        atexit.register(shutil.rmtree, self.work, ignore_errors=True)
        self._known: set[str] = set()
        self._n_compiling = 0
        self._is_checked = False
        self._lock = threading.Lock()
        self._fill()

    def begin(self) -> None:
        with self._lock:
            self._n_compiling += 1

    def end(self) -> None:
        """Add new entries once no thread compiles, and so none is half written."""
        with self._lock:
            self._n_compiling -= 1
            if self._n_compiling == 0:
                self._add_new()

    def _remove_abandoned(self) -> None:
        for work in self._path.glob("work-*"):
            with suppress(OSError):
                if time.time() - work.stat().st_mtime > _WORK_LASTS:
                    shutil.rmtree(work, ignore_errors=True)

    def _fill(self) -> None:
        """Copy entries whose checksum is right to the working directory, drop all others."""
        entries = []
        for entry in self._path.glob("*.entry"):
            with suppress(OSError):
                entries.append((entry.stat().st_mtime, entry))
        for number, (_, entry) in enumerate(sorted(entries, reverse=True)):
            with suppress(OSError):
                content = entry.read_bytes()
                digest, code = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
                if number >= _ENTRIES_AT_MOST or digest != _digest(entry.stem, code):
                    entry.unlink()
                    continue
                (self.work / entry.stem).write_bytes(code)
                self._known.add(entry.stem)

    def _add_new(self) -> None:
        written = {entry.name: entry for entry in self.work.glob("*.pb")}
        if not written and not self._is_checked:
            warnings.warn(
                f"{VARIABLE} has no effect: TensorFlow was at work before skmask was imported. "
                "Import skmask, and fit, before you compute with TensorFlow.",
                RuntimeWarning,
                stacklevel=2,
            )
        self._is_checked = True
        for name in written.keys() - self._known:
            with suppress(OSError):  # a full disk: the code is used, not kept
                code = written[name].read_bytes()
                if _is_whole(code):
                    self._add(name, code)
                    self._known.add(name)

    def _add(self, name: str, code: bytes) -> None:
        """Write an entry so that other processes see all of it or nothing."""
        handle, temporary = tempfile.mkstemp(dir=self.work)
        with os.fdopen(handle, "wb") as file:
            file.write(_digest(name, code) + code)
        os.replace(temporary, self._path / f"{name}.entry")


_store: _Store | None = None


@contextmanager
def compiling() -> Iterator[None]:
    """Keep what XLA compiles in here."""
    store = _store
    if store is None:
        yield
        return
    store.begin()
    try:
        yield
    finally:
        store.end()


def _digest(name: str, code: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + code).digest()


def _is_whole(message: bytes) -> bool:
    """Say whether a message of Protocol Buffers ends where it should, with the code in it.

    A function of the user's own may be compiled in another thread, and half written.
    """
    found, at = set(), 0
    while at < len(message):
        tag, at = _varint(message, at)
        size, at = _varint(message, at)
        if tag & 7 != 2:  # all of its fields have a length
            return False
        found.add(tag >> 3)
        at += size
    return at == len(message) and _CODE_FIELD in found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return the number that is written at a position, and the position behind it."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    return value, len(message) + 1
