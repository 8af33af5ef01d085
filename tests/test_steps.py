"""Which steps are real, and sequences in one array."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skmask.data._sequences import Steps, as_sequences, padded

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))


@given(masks, st.integers(0, 4))
def test_packed_steps_come_back_where_they_stood(is_real, more):
    steps = Steps(is_real)
    values = np.arange(is_real.size).reshape(is_real.shape)
    packed = steps.pack(values, -1, int(steps.lengths.max()) + more)
    for row, real, numbers in zip(packed, is_real, values, strict=True):
        assert row.tolist() == [*numbers[real], *[-1] * (len(row) - real.sum())]
    np.testing.assert_array_equal(steps.unpack(packed, -2), np.where(is_real, values, -2))


def test_lists_of_arrays_are_sequences_even_of_one_length():
    assert as_sequences([np.zeros(3), np.zeros(3)], "X") is not None
    assert as_sequences([np.zeros((3, 2)), np.zeros((4, 2))], "X") is not None
    assert as_sequences([[1, 2], [3]], "X") is not None
    assert as_sequences([[1, 2], [3, 4]], "X") is None
    assert as_sequences(np.zeros((2, 3)), "X") is None
    assert as_sequences([1, 2, 3], "X") is None
    assert as_sequences(["a", "bc"], "X") is None
    assert as_sequences(None, "X") is None


def test_array_of_objects_is_a_list():
    values = np.empty(2, dtype=object)
    values[:] = [np.zeros(2), np.zeros(3)]
    assert [len(each) for each in as_sequences(values, "X")] == [2, 3]
    assert as_sequences(np.array(["a", "b"], dtype=object), "X") is None


def test_padded_keeps_strings():
    values, is_given = padded([np.array(["aa"]), np.array(["b", "c"])])
    assert values.tolist() == [["aa", ""], ["b", "c"]]
    assert is_given.tolist() == [[True, False], [True, True]]
