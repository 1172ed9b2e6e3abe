"""Every error that Bauta raises on purpose: one tree; each message says what to do next."""


class BautaError(Exception):
    """Base of all errors that Bauta raises on purpose; its message is fit to show to a person.

    Attributes:
        plain: the message without what only helps on the command line or in Python.

    """

    def __init__(self, plain: str = "", *, option: str = "") -> None:
        """Say what is wrong.

        Args:
            plain: what is wrong, and what to do next wherever one is.
            option: what to do next on the command line or in Python, a sentence of its own.

        """
        super().__init__(f"{plain} {option}".strip())
        self.plain = plain


class UsageError(BautaError):
    """An argument is outside what the call accepts."""


class MediaError(BautaError):
    """A photo or a video cannot be read or written."""


class NotAnImageError(MediaError):
    """The file is no image in a format that Bauta reads."""


class CorruptImageError(MediaError):
    """The file is a known image format, but truncated or damaged."""


class NotAVideoError(MediaError):
    """The file is no video in a format that Bauta reads, or has no moving picture in it."""


class CorruptVideoError(MediaError):
    """The file is a known video format, but so truncated or damaged that no picture is left."""


class AnimatedImageError(MediaError):
    """The file holds several frames, where one photo is expected."""


class ImageTooLargeError(MediaError):
    """The image has more pixels than the limit (a decompression bomb, or a very large scan)."""


class OutputExistsError(MediaError):
    """The output would replace a file that may not be replaced."""


class EngineError(BautaError):
    """The processes that are to do the work cannot be started."""


class OutOfMemoryError(BautaError):
    """There was not enough memory, whatever the library at work calls that."""


class FaceError(BautaError):
    """Something about the faces of a photo."""


class NoFaceError(FaceError):
    """No face was found where at least one is needed."""


class KeyFileError(BautaError):
    """A key file is none, of another version, damaged, or forged."""


class PassphraseError(KeyFileError):
    """A key file needs a passphrase, or another one."""


class WrongKeyError(KeyFileError):
    """A record was sealed with another key than the one given."""


class WeightsError(BautaError):
    """Weights are missing, have a wrong hash, or do not fit their network."""


class RegistryError(BautaError):
    """A name is unknown to a registry, or was registered twice."""


class MissingExtraError(BautaError):
    """A feature needs an optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        """Name the ``feature`` that is wanted and the pip ``extra`` that brings it."""
        super().__init__(f"{feature} needs an optional part: pip install 'bauta[{extra}]'")
