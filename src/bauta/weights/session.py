"""Opening ONNX files with onnxruntime: quiet, local, and not wasteful with the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bauta.errors import MissingExtraError, WeightsError
from bauta.memory import raise_if_short


def open_session(model: Path, threads: int, *, what: str) -> Any:
    """Open a file that onnxruntime is to compute.

    Args:
        model: the ONNX file; its hash is the caller's to check.
        threads: threads per run, 0 for one per core.
        what: the file's part in Bauta, for messages.

    Returns:
        The ``onnxruntime.InferenceSession``.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        WeightsError: the file cannot be read, or the runtime refuses it.

    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(what, "onnx") from error
    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait double the time of a view on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # The runtime reports an unreadable file by a dozen exception types of its own.
        return onnxruntime.InferenceSession(
            model.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise_if_short(error)
        raise WeightsError(f"cannot load {what} from {model}: {error}") from error
