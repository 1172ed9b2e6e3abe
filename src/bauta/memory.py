"""Out of memory, under all the names it goes by: one error, whose words say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bauta.errors import BautaError, OutOfMemoryError

#: Torch, onnxruntime, safetensors and the system have no common exception for it, but such words.
_WORDS = (
    "not enough memory",
    "allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "failed to map segment",
)


def is_short(error: BaseException) -> bool:
    """Whether an exception means that there was not enough memory.

    Torch raises a plain RuntimeError where the processor's memory is full, so its message is looked
    into.

    Example:
        >>> is_short(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."))
        True

    """
    if isinstance(error, MemoryError):
        return True
    words = str(error).lower()
    return any(word in words for word in _WORDS)


def raise_if_short(error: BaseException) -> None:
    """Raise OutOfMemoryError in place of an exception that means it; return on any other.

    For places that would take the exception for a fault of the file they read.
    """
    if is_short(error):
        raise OutOfMemoryError(
            "there is not enough memory: close other programs, use fewer --jobs, or make the photo "
            "smaller, then run the same again"
        ) from error


@contextmanager
def enough_memory() -> Iterator[None]:
    """Turn what is raised for lack of memory into OutOfMemoryError; also a decorator."""
    try:
        yield
    except BautaError:
        raise
    except Exception as error:
        raise_if_short(error)
        raise
