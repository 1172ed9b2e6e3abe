"""Devices by name: which there may be, and which are here."""

from __future__ import annotations

import torch

from bauta.errors import UsageError


def check_device(name: str) -> torch.device:
    """A device by its name, wherever it may be, such as on another node of a cluster.

    Raises:
        UsageError: Bauta does not compute on such a device.

    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}: use cpu or cuda")
    return device


def present_device(name: str) -> torch.device:
    """A device of this machine.

    Raises:
        UsageError: it is not here, or Bauta does not compute on such a device.

    """
    device = check_device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"there is no device {name} here: use the CPU.", option="Leave --device out."
        )
    return device
