"""Imports compiled loops where numba is installed, and goes on without them elsewhere."""

from types import TracebackType


class WhereNumbaIs:
    """A block that imports loops which numba compiles, and that ends quietly where numba is not installed.

    numba has no wheels for some processors and for new versions of Python. Any other error is raised, also that of a
    module which numba needs.

    Example:
        >>> with WhereNumbaIs():
        ...     raise ModuleNotFoundError(name="numba")
        >>> with WhereNumbaIs():
        ...     raise ModuleNotFoundError("No module named 'llvmlite'", name="llvmlite")
        Traceback (most recent call last):
        ModuleNotFoundError: No module named 'llvmlite'
    """

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Return whether numba is what is missing, which is no error."""
        return isinstance(error, ModuleNotFoundError) and error.name == "numba"
