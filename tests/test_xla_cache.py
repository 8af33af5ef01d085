"""Compiled code kept on disk: the same bits with it, without it, and with damage to it."""

import hashlib
import os
import subprocess
import sys

import pytest

from skmask.engine.tensorflow import _xla_cache
from skmask.engine.tensorflow._xla_cache import requested_directory

WORK = """
import ctypes, os, sys
before = dict(os.environ)
{first}
import numpy as np
from skmask.engine import Job, Loss, State, Steps, train
from skmask.engine.tensorflow import graph_of
from skmask.networks import MLP, Signature

library = ctypes.CDLL(None)
library.getenv.restype = ctypes.c_char_p
flags = library.getenv(b"TF_XLA_FLAGS")
assert os.environ.get("TF_XLA_FLAGS") == before.get("TF_XLA_FLAGS")
assert (None if flags is None else flags.decode()) == before.get("TF_XLA_FLAGS")

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 6)).astype("float32")
columns = {{"X": X, "y": rng.integers(3, size=600), "weight": np.ones(600, "float32")}}
graph = graph_of(MLP((8,)), Signature((6,), 3), "float32")
job = Job(graph, Loss("restricted_crossentropy"), Steps("adam"), columns)
state, _ = train(job, State(graph.starting_weights(0), None, 0), epochs=2)
print(b"".join(weight.tobytes() for weight in state.weights).hex())
"""


def trained(directory=None, first="", **variables):
    """Return what a fresh process trains, as text, and its stderr."""
    env = {k: v for k, v in os.environ.items() if k not in ("SKMASK_CACHE_DIR", "TF_XLA_FLAGS")}
    env |= variables
    if directory is not None:
        env["SKMASK_CACHE_DIR"] = str(directory)
    code = [sys.executable, "-c", WORK.format(first=first)]
    done = subprocess.run(code, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1], done.stderr


def entries_in(directory):
    return {path: path.stat().st_ino for path in directory.rglob("*.entry")}


@pytest.fixture(scope="module")
def expected():
    """The weights that a process without a directory trains."""
    return trained()[0]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A directory that one process has filled, and what that process trained."""
    directory = tmp_path_factory.mktemp("a b") / 'it\'s "new" \\ ü'
    return directory, *trained(directory)


def test_process_that_fills_the_directory_trains_the_same_bits(filled, expected):
    directory, found, printed = filled
    assert (found, printed) == (expected, "")
    assert len(entries_in(directory)) == 1


def test_directory_is_private_and_holds_entries_only(filled):
    directory = filled[0]
    for path in (directory, *directory.iterdir()):
        assert path.stat().st_mode & 0o777 == 0o700
    (of_versions,) = directory.iterdir()
    assert all(path.suffix == ".entry" for path in of_versions.iterdir())


def test_process_that_finds_an_entry_trains_the_same_bits_and_writes_nothing(filled, expected):
    directory = filled[0]
    before = entries_in(directory)
    assert trained(directory) == (expected, "")
    assert entries_in(directory) == before


DAMAGE = {
    "changed": lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "of something else": lambda content: b"x" * 1000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_entry_changes_nothing_and_is_replaced(filled, expected, damage):
    directory = filled[0]
    (path,) = entries_in(directory)
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole))
    assert trained(directory) == (expected, "")
    digest, code = path.read_bytes()[:32], path.read_bytes()[32:]
    assert digest == hashlib.sha256(path.stem.encode() + b"\n" + code).digest()


def test_entry_under_the_name_of_another_is_dropped(filled, expected):
    directory = filled[0]
    (path,) = entries_in(directory)
    other = path.with_name("xla_compile_cache__1__2__XLA_CPU_JIT.pb.entry")
    other.write_bytes(path.read_bytes())
    assert trained(directory) == (expected, "")
    assert not other.exists()


def test_other_settings_of_xla_have_entries_of_their_own(filled):
    directory = filled[0]
    before = entries_in(directory)
    trained(directory, XLA_FLAGS="--xla_cpu_enable_fast_math=false")
    assert len(entries_in(directory)) == len(before) + 1


def test_flag_that_the_user_has_set_is_left_alone(tmp_path, expected):
    own, ours = tmp_path / "own", tmp_path / "ours"
    flags = f"--tf_xla_persistent_cache_directory={own}"
    assert trained(ours, TF_XLA_FLAGS=flags)[0] == expected
    assert not ours.exists()
    assert len(list(own.iterdir())) == 1


def test_other_flags_of_the_user_stay_in_force(tmp_path, expected):
    flags = "--tf_xla_persistent_cache_prefix=mine"
    assert trained(tmp_path, TF_XLA_FLAGS=flags)[0] == expected
    (path,) = entries_in(tmp_path)
    assert path.name.startswith("mine__")


def test_user_is_told_where_tensorflow_was_at_work_before(tmp_path, expected):
    first = "import tensorflow as tf; tf.constant(0) + 1"
    found, printed = trained(tmp_path, first, TF_CPP_MIN_LOG_LEVEL="3")
    assert found == expected
    assert "SKMASK_CACHE_DIR has no effect: TensorFlow was at work before" in printed
    assert entries_in(tmp_path) == {}


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_kept_unless_asked_for(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("SKMASK_CACHE_DIR", raising=False)
    else:
        monkeypatch.setenv("SKMASK_CACHE_DIR", value)
    assert requested_directory() is None


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_directory_that_others_can_write_to_is_refused(monkeypatch, tmp_path, mode):
    tmp_path.chmod(mode)
    monkeypatch.setenv("SKMASK_CACHE_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=rf"SKMASK_CACHE_DIR must be .* \(mode {mode:o}\)"):
        requested_directory()


def test_directory_of_another_user_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("SKMASK_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ValueError, match=r"only you can write to.*belongs to another user"):
        requested_directory()


def test_file_in_place_of_the_directory_is_refused(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SKMASK_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(ValueError, match=r"SKMASK_CACHE_DIR must be .* which is no directory"):
        requested_directory()
    monkeypatch.setenv("SKMASK_CACHE_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(ValueError, match=r"SKMASK_CACHE_DIR must be .* which cannot be made"):
        requested_directory()


def test_full_disk_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(_xla_cache, "_BYTES_FREE", 1 << 62)
    with pytest.warns(RuntimeWarning, match="SKMASK_CACHE_DIR has no effect: the disk is full"):
        _xla_cache.use_store(tmp_path, "2.21.0", lambda: None)
    assert list(tmp_path.iterdir()) == []


def test_error_names_the_directory_in_the_process_that_fits(tmp_path):
    tmp_path.chmod(0o777)
    code = "from skmask.engine.tensorflow import graph_of"
    env = {**os.environ, "SKMASK_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert "ValueError: SKMASK_CACHE_DIR must be a directory that only you" in done.stderr
    assert str(tmp_path) in done.stderr


def field(number, content):
    size = bytes([len(content) & 127 | 128, len(content) >> 7])
    return bytes([number << 3 | 2]) + size + content


def test_message_cut_short_anywhere_is_not_whole():
    message = field(1, b"k" * 40) + field(2, b"h" * 200) + field(3, b"c" * 300)
    assert _xla_cache._is_whole(message)
    assert not any(_xla_cache._is_whole(message[:end]) for end in range(len(message)))


def test_oldest_entries_are_dropped_where_there_are_too_many(monkeypatch, tmp_path):
    monkeypatch.setattr(_xla_cache, "_ENTRIES_AT_MOST", 2)
    message = field(3, b"c" * 300)
    store = _xla_cache._Store(tmp_path)
    for number in range(4):
        store._add(f"{number}.pb", message)
        os.utime(tmp_path / f"{number}.pb.entry", (number, number))
    work = _xla_cache._Store(tmp_path).work
    assert sorted(path.name for path in work.iterdir()) == ["2.pb", "3.pb"]
    assert sorted(path.name for path in entries_in(tmp_path)) == ["2.pb.entry", "3.pb.entry"]


def test_entry_is_added_once_no_thread_compiles(tmp_path):
    store = _xla_cache._Store(tmp_path)
    store.begin(), store.begin()
    (store.work / "1.pb").write_bytes(field(3, b"c" * 300))
    store.end()
    assert entries_in(tmp_path) == {}
    (store.work / "2.pb").write_bytes(field(3, b"c" * 300)[:-1])  # of a thread of the user's
    store.end()
    assert [path.name for path in entries_in(tmp_path)] == ["1.pb.entry"]


def test_working_directory_of_a_killed_process_is_removed(tmp_path):
    old, new = tmp_path / "work-old", tmp_path / "work-new"
    old.mkdir(), new.mkdir()
    os.utime(old, (0, 0))
    _xla_cache._Store(tmp_path)
    assert not old.exists()
    assert new.exists()
