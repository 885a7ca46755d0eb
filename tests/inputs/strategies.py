"""What hypothesis makes inputs of."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def examples(number: int) -> settings:
    """Settings for a number of examples, the same ones in every run."""
    slow = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=number, deadline=None, derandomize=True, database=None, suppress_health_check=slow)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file with a few other bytes, cut off somewhere, with a piece left out or twice."""

    def damage(changes: list[tuple[int, int]], cut: int, piece: tuple[int, int], twice: bool) -> bytes:
        content = bytearray(whole)
        for place, value in changes:
            content[place] = value
        begin, length = piece
        end = begin + length
        content = content[:end] + content[begin:] if twice else content[:begin] + content[end:]
        return bytes(content[:cut])

    place = st.integers(0, len(whole) - 1)
    cut = st.one_of(st.just(2 * len(whole)), place)
    changes = st.lists(st.tuples(place, st.integers(0, 255)), max_size=8)
    return st.builds(damage, changes, cut, st.tuples(place, st.integers(0, 8)), st.booleans())
