"""Model cards agree with the records, the thresholds and the networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bauta.errors import RegistryError
from bauta.recognizers import card as module
from bauta.recognizers.base import affine_crop, crop_from_template
from bauta.recognizers.card import card, crop_facts, multiply_adds
from bauta.recognizers.thresholds import thresholds_of
from bauta.recognizers.zoo import recognizers
from bauta.weights.records import record, records
from tests.faces.make import face_at


class Small(nn.Module):
    """Networks of every kind that counts: convolutions plain, strided and in groups; a matrix."""

    def __init__(self):
        super().__init__()
        self.plain = nn.Conv2d(3, 8, 3, padding=1)
        self.strided = nn.Conv2d(8, 4, 1, stride=2)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.output = nn.Linear(4, 5)

    def forward(self, x):
        return self.output(self.grouped(self.strided(self.plain(x))).mean(dim=(2, 3)))


def test_multiply_adds_by_hand():
    plain, strided, grouped = 10 * 10 * 8 * 3 * 9, 5 * 5 * 4 * 8, 5 * 5 * 4 * 9
    assert multiply_adds(Small(), 10) == plain + strided + grouped + 4 * 5


def test_counting_changes_nothing():
    network = Small()
    point = torch.rand(1, 3, 10, 10)
    before = network(point)
    multiply_adds(network, 10)
    torch.testing.assert_close(network(point), before)
    assert all(p.grad is None for p in network.parameters())


def test_crops_are_described_by_the_eyes():
    eyes = face_at(0.5, 0.5, 1.0, scheme="yunet5").landmarks.astype(float)
    template = np.array([[30.0, 40.0], [70.0, 40.0]])
    facts = crop_facts(crop_from_template(100, template, eyes[:2]))
    assert facts.size == 100
    assert facts.eye_distances == pytest.approx(100 / 40)
    assert facts.eyes_at == pytest.approx(0.4)
    wider = crop_facts(affine_crop(50, (0, 0), 1.0))
    assert wider.eye_distances > facts.eye_distances


def test_the_card_of_dlib():
    row = record("dlib-resnet")
    found = card("dlib")
    assert found.record == row
    assert found.path.name == row.filename
    assert found.size_bytes == row.size_bytes
    (facts,) = found.recognizers
    # The file holds little but the parameters, as float32; affine layers are folded.
    assert facts.parameters == pytest.approx(row.size_bytes / 4, rel=0.01)
    assert 2e8 < facts.multiply_adds < 4e8
    assert (facts.crop.size, facts.dimensions) == (150, 128)
    assert 0.2 < facts.crop.eyes_at < 0.5
    assert facts.thresholds == thresholds_of("dlib")
    assert "surrogate" in facts.use


def test_a_weight_file_shows_all_its_recognizers():
    assert [facts.name for facts in card("dlib-resnet").recognizers] == ["dlib", "dlib-native"]
    (native,) = card("dlib-native").recognizers
    assert native.crop is None
    assert "surrogate" not in native.use
    assert card("dlib-landmarks-5").recognizers == ()


def test_without_its_file_the_card_tells_what_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr("bauta.weights.records.data_folder", lambda: tmp_path)
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path))
    found = card("mobilefacenet-ms1m")
    assert found.path is None
    assert found.size_bytes == record("mobilefacenet-ms1m").size_bytes
    (facts,) = found.recognizers
    assert facts.crop is facts.parameters is facts.multiply_adds is None
    assert "if it has gradients" in facts.use
    assert facts.thresholds == thresholds_of("mobilefacenet-ms1m")


@pytest.mark.parametrize("name", [*records(), *recognizers.names()])
def test_everything_has_a_card(name):
    assert card(name).record in records().values()


def test_words_are_only_about_recognizers_that_exist():
    assert set(module.ABOUT) <= set(recognizers.names())


def test_unknown_names():
    with pytest.raises(RegistryError, match="did you mean"):
        card("dlib-resnett")
