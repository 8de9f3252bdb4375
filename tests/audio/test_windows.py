"""Window arithmetic (F38): where rows start, how many there are, and that blocks leave no trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.audio.windows import Windower, count_windows, cut, samples_in
from audiossl.errors import UsageError
from audiossl.recipe.schema import EmbeddingConfig

RATE = 1000
lengths = st.integers(1, 5000)
seconds = st.floats(0.001, 3.0)


def ramp(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32)


@given(n=lengths, window_s=seconds, hop_s=seconds, data=st.data())
@settings(max_examples=200, deadline=None)
def test_rows_start_at_whole_hops_and_lie_inside_the_sound(n, window_s, hop_s, data):
    windows = cut(ramp(n), RATE, EmbeddingConfig(window_s=window_s, hop_s=hop_s))
    length = samples_in(window_s, RATE)
    assert len(windows) == count_windows(n, window_s, hop_s, RATE) >= 1
    assert [window.start_s for window in windows] == [i * hop_s for i in range(len(windows))]
    if n < length:
        assert windows[0].end_s == n / RATE
        assert np.array_equal(windows[0].samples, ramp(n)[np.arange(length) % n])
        return
    for window in windows:
        first = samples_in(window.start_s, RATE)
        assert np.array_equal(window.samples, ramp(n)[first : first + length]) and len(window.samples) == length
        assert window.end_s == window.start_s + window_s
    next_start = samples_in(len(windows) * hop_s, RATE)
    assert next_start + length > n, "another window would have fitted"


@given(
    n=lengths,
    window_s=st.one_of(st.just("auto"), seconds),
    hop_s=st.one_of(st.just("auto"), seconds),
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_where_blocks_end_changes_no_window(n, window_s, hop_s, sizes):
    config = EmbeddingConfig(window_s=window_s, hop_s=hop_s, max_window_s=2.0, long_window_s=0.5)
    whole = cut(ramp(n), RATE, config)
    windower, found, first = Windower(config, RATE), [], 0
    while first < n:
        size = sizes[len(found) % len(sizes)]
        found += windower.push(ramp(n)[first : first + size])
        first += size
    found += windower.finish()
    assert [(w.start_s, w.end_s, w.samples.tolist()) for w in found] == [
        (w.start_s, w.end_s, w.samples.tolist()) for w in whole
    ]


@pytest.mark.parametrize(
    ("n", "wanted"),
    [(1, [(0.0, 0.001)]), (2000, [(0.0, 2.0)]), (2001, [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0)])],
)
def test_auto_takes_a_sound_whole_up_to_the_limit_and_then_in_windows(n, wanted):
    config = EmbeddingConfig(max_window_s=2.0, long_window_s=0.5)
    assert [(window.start_s, window.end_s) for window in cut(ramp(n), RATE, config)] == wanted


def test_ten_hours_at_a_hop_of_one_second_are_36000_rows():
    assert count_windows(10 * 3600 * 16_000, 1.0, 1.0, 16_000) == 36_000


def test_a_long_sound_is_held_in_a_buffer_no_longer_than_a_window_and_a_block():
    windower = Windower(EmbeddingConfig(window_s=0.5, hop_s=2.0), RATE)
    for _ in range(50):
        windower.push(ramp(700))
        assert len(windower._buffer) <= 500 + 700


@pytest.mark.parametrize("config", [{"window_s": 1e-5}, {"window_s": 1.0, "hop_s": 1e-5}])
def test_windows_and_hops_below_one_sample_are_refused(config):
    with pytest.raises(UsageError, match="shorter than one sample"):
        Windower(EmbeddingConfig(**config), RATE)
