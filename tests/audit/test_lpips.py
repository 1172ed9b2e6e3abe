"""LPIPS against torchmetrics' own, with a backbone of random weights; and what may be missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bauta.audit import lpips as module
from bauta.audit.lpips import BACKBONE, Lpips, alexnet_features, can_lpips, lpips, lpips_heads
from bauta.errors import WeightsError
from bauta.weights import records

reference = pytest.importorskip("torchmetrics.functional.image.lpips")


@pytest.fixture(scope="module")
def backbone() -> dict[str, torch.Tensor]:
    """AlexNet's shape with weights of no training, under torchvision's names."""
    generator = torch.Generator().manual_seed(5)
    shapes = alexnet_features().state_dict()
    return {
        f"features.{name}": torch.randn(value.shape, generator=generator) / 30
        for name, value in shapes.items()
    }


def pictures(seed: int, height: int = 70, width: int = 90) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 255


def test_as_torchmetrics_computes_it(
    backbone: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
):
    ours = Lpips({**backbone, "classifier.1.weight": torch.zeros(1)}, lpips_heads())

    def features(net: str, pretrained: bool = False) -> torch.nn.Sequential:
        assert (net, pretrained) == ("alexnet", True)
        return ours.features

    monkeypatch.setattr(reference, "_get_tv_model_features", features)
    theirs = reference._NoTrainLpips(net="alex")
    a, b = pictures(1), pictures(2)
    wanted = theirs(a / 127.5 - 1, b / 127.5 - 1).flatten()
    assert wanted.min() > 1e-4
    torch.testing.assert_close(ours(a, b), wanted, rtol=1e-4, atol=1e-7)


def test_a_distance(backbone: dict[str, torch.Tensor]):
    network = Lpips(backbone, lpips_heads())
    a, b = pictures(1), pictures(2)
    near = (a + 3).clamp(0, 255)
    assert torch.equal(network(a, a), torch.zeros(2))
    torch.testing.assert_close(network(a, b), network(b, a))
    assert (network(a, near) < network(a, b)).all()


def test_photos(backbone: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_network", lambda: Lpips(backbone, lpips_heads()))
    assert can_lpips()
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 1200, 1000, 3), dtype=np.uint8)
    small_a, small_b = (p[:250, :250] for p in (a, b))
    assert lpips(a, a) == 0
    # White noise averages out of a large photo, as it does for an eye that sees it whole.
    assert 0 < lpips(a, b) < lpips(small_a, small_b)
    assert np.isnan(lpips(a[:20], b[:20]))


def test_without_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records, "user_folders", lambda: [tmp_path])
    module._network.cache_clear()
    assert not can_lpips()
    a = np.zeros((64, 64, 3), dtype=np.uint8)
    with pytest.raises(WeightsError, match=f"{BACKBONE}.*--from"):
        lpips(a, a)
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="sha256"):
        lpips(a, a)


def test_altered_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_HEADS_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="reinstall torchmetrics"):
        lpips_heads()
