"""Adding and removing recognizers of the user's own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from bauta.errors import UsageError, WeightsError
from bauta.media import atomic_write
from bauta.recognizers.networks.onnx_file import read_onnx
from bauta.recognizers.onnx_judge import Convention, OnnxJudge
from bauta.recognizers.own import OWN, OwnRecognizer, check_name
from bauta.recognizers.thresholds import forget_thresholds
from bauta.recognizers.zoo import recognizers
from bauta.weights.records import OWN_FOLDER, data_folder, records

#: The largest recognizers in use have half of it.
_MOST_BYTES = 1 << 30


def add_recognizer(
    file: Path,
    name: str,
    convention: Convention,
    *,
    licence: str = "not stated",
    commercial_use: bool = False,
) -> OwnRecognizer:
    """Copy an ONNX recognizer into the user's own folder, after trying it.

    Args:
        file: the ONNX file.
        name: name to call it by.
        convention: how the network wants its faces.
        licence: licence of the file.
        commercial_use: whether that allows commercial use.

    Returns:
        Its definition. ``judge_only`` says why there are no gradients, if there are none.

    Raises:
        MissingExtraError: onnxruntime or the package onnx is not installed.
        UsageError: the name is taken or no name, or the convention does not fit the file.
        WeightsError: the file is no recognizer in one ONNX file.
        MediaError: the copy cannot be written.

    """
    check_name(name)
    if name in recognizers.names() or name in records():
        hint = f"run `bauta recognizers remove {name}` first" if name in OWN else "choose another"
        raise UsageError(f"there is a recognizer called {name} already: {hint}")
    data = _read(file)
    read_onnx(file)  # refuses what may not even judge, such as weights in other files
    folder = data_folder() / OWN_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{name}.onnx"
    atomic_write(copy, data, overwrite=True)
    try:
        own = _tried(
            OwnRecognizer(
                name=name,
                sha256=hashlib.sha256(data).hexdigest(),
                size_bytes=len(data),
                convention=convention,
                dimensions=0,
                licence=licence,
                commercial_use=commercial_use,
            )
        )
        forget_thresholds(name)  # those of an earlier recognizer whose files were deleted by hand
        atomic_write(folder / f"{name}.json", own.to_json().encode())
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return own


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise WeightsError(f"{file} is larger than {_MOST_BYTES >> 20} MB")
        return file.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {file}: {error.strerror or error}") from error


def _tried(own: OwnRecognizer) -> OwnRecognizer:
    """Open a recognizer and say what it can do."""
    judge: OnnxJudge = own()
    try:
        judge.surrogate()
    except WeightsError as error:
        return replace(own, dimensions=judge.dimensions, judge_only=str(error))
    return replace(own, dimensions=judge.dimensions, agreement=judge.agreement)


def remove_recognizer(name: str) -> None:
    """Remove a recognizer that the user has added, and its thresholds.

    Raises:
        UsageError: the user has added none of this name.

    """
    check_name(name)
    folder = data_folder() / OWN_FOLDER
    definition = folder / f"{name}.json"
    if name not in OWN or OWN.path(name) != definition:
        where = f"it lies in {OWN.path(name).parent}" if name in OWN else "you have added none"
        raise UsageError(f"cannot remove {name}: {where}; only what was added by you is removed")
    # The definition goes first: without it the file does not count.
    definition.unlink()
    (folder / f"{name}.onnx").unlink(missing_ok=True)
    forget_thresholds(name)
