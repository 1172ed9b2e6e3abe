"""The analysis network: what it weighs, and the file that it leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bauta.errors import UsageError
from bauta.masking.masks import every_kind
from bauta.private.selection import (
    Selection,
    choose_channels,
    name_of,
    read_channels,
    save_channels,
)
from bauta.training.faceset import FaceSet
from tests.private.test_training import SMALL

RECIPE = replace(SMALL, scale=8.0)
HOW = Selection(steps=40, batch=16, rate=1e-2, per_colour=3)


def test_what_shows_is_let_through_less(little: FaceSet, tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    free = choose_channels(RECIPE, little, replace(HOW, shown=0.0), device=cpu)
    dear = choose_channels(RECIPE, little, replace(HOW, shown=60.0), device=cpu)
    asked = list(every_kind())
    assert ((free.gates[asked] > 0) & (free.gates[asked] < 1)).all()
    assert not np.delete(free.gates, asked).any()
    # Of all channels those lose most that hold most of the energy.
    lost = free.gates[asked] - dear.gates[asked]
    by_energy = np.argsort(-dear.energy[asked])
    assert lost[by_energy[:6]].mean() > lost[by_energy[-6:]].mean() + 0.05
    assert free.energy.sum() == pytest.approx(1)
    assert dear.dropped > 0.9
    assert [c // 64 for c in dear.channels] == [0] * 3 + [1] * 3 + [2] * 3
    file = tmp_path / "channels.json"
    save_channels(file, dear, HOW)
    assert read_channels(file) == dear.channels
    assert sum(kept for *_, kept in dear.rows()) == 9


def test_names_and_limits(tmp_path: Path) -> None:
    assert name_of(64 + 8 * 2 + 1) == "Cb 2,1"
    for wrong in ({"per_colour": 0}, {"per_colour": 9}, {"steps": 0}):
        with pytest.raises(UsageError):
            Selection(**wrong)
    (tmp_path / "x.json").write_text('{"channels": [4]}', "utf-8")
    with pytest.raises(UsageError, match="say nothing"):
        read_channels(tmp_path / "x.json")
    with pytest.raises(UsageError, match="private select"):
        read_channels(tmp_path / "none.json")
