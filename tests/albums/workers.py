"""Work that engines' processes do in tests."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from bauta.albums.work import Outcome, ShareProgress, Task


def stamp(task: Task, tell: ShareProgress | None) -> Outcome:
    """Copy the file, a word before it; by its content it fails, has no face, dies, or is slow."""
    content = task.source.read_bytes()
    if tell:
        tell(0.5)
    if content.startswith(b"bad"):
        return Outcome(status="failed", error="it is bad")
    if content.startswith(b"nobody"):
        return Outcome(status="faceless", error="nobody is in it")
    if content.startswith(b"deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    if content.startswith(b"once"):
        mark = task.source.parent / "died"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if content.startswith(b"slow"):
        time.sleep(60)
    task.target.parent.mkdir(parents=True, exist_ok=True)
    Path(task.target).write_bytes(b"done " + content)
    told = {"pid": os.getpid(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}
    return Outcome(status="done", verdict="protected", seconds=1.0, report=told)
