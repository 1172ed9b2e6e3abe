"""Between Bauta and the decoders: limits, silence, and errors that say what to do."""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from bauta.errors import BautaError, CorruptImageError, ImageTooLargeError, MediaError
from bauta.memory import raise_if_short

FORMATS = "JPEG, PNG, WebP, TIFF, BMP, GIF or HEIC"
"""The formats that Bauta reads, for messages."""

_lock = threading.Lock()
_depth = 0
_saved: "warnings.catch_warnings[None] | None" = None


def check_size(size: tuple[int, int], max_pixels: int, name: str) -> None:
    """Raise ImageTooLargeError when ``size`` (width, height) has more than ``max_pixels``."""
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name} has {width} x {height} pixels, more than the limit of {max_pixels}: "
            "make it smaller, or raise max_pixels if you trust the file"
        )


def unsupported(name: str, what: str) -> MediaError:
    """Return the error for a file that is sound, but of a kind that Bauta does not handle."""
    return MediaError(f"{name}: {what} is not supported; save it as an ordinary JPEG or PNG first")


@contextmanager
def decoding(name: str, kind: str) -> Iterator[None]:
    """Turn everything that a decoder of ``kind`` raises for the file ``name`` into a MediaError."""
    try:
        with _quiet():
            yield
    except BautaError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ImageTooLargeError(
            f"{name} is too large to open ({str(error) or 'out of memory'}): make it smaller"
        ) from error
    except Exception as error:  # decoders raise anything on hostile bytes
        detail = str(error) or type(error).__name__
        raise CorruptImageError(
            f"{name} is a damaged, truncated or unusual {kind} file ({detail}): "
            "copy it again from its source, or open it in an image editor and save it anew"
        ) from error


@contextmanager
def encoding(kind: str) -> Iterator[None]:
    """Turn everything that an encoder of ``kind`` raises into a MediaError."""
    try:
        with _quiet():
            yield
    except BautaError:
        raise
    except Exception as error:  # encoders raise anything
        raise_if_short(error)
        detail = str(error) or type(error).__name__
        raise MediaError(f"cannot encode this photo as {kind}: {detail}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the warnings of the decoders, in any number of threads at once.

    ``warnings.catch_warnings`` alone is not safe here: two threads that overlap would leave each
    other's filters behind. So the first one in sets the filter and the last one out removes it.
    """
    global _depth, _saved
    if getattr(sys.flags, "context_aware_warnings", 0):  # Python 3.14: safe per thread by itself
        with warnings.catch_warnings():
            _ignore_decoders()
            yield
        return
    with _lock:
        if _depth == 0:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            _ignore_decoders()
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0 and _saved is not None:
                _saved.__exit__(None, None, None)
                _saved = None


def _ignore_decoders() -> None:
    warnings.filterwarnings("ignore", module=r"(PIL|tifffile|pi_heif)\b")
