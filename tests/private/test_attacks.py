"""Attacks: they work on who is not protected, and fail where a secret is missing."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bauta.errors import UsageError
from bauta.masking.strategy import COUNTS
from bauta.private.attacking import Plan, counts_of, plans_of
from bauta.private.attacks.inversion import (
    Inversion,
    published,
    reconstructions,
    train_inversion,
)
from bauta.private.attacks.linkage import Linkage, train_linkage
from bauta.private.attacks.optimised import Optimised, face_prior, invert_network
from bauta.private.defences import Publisher, defence, publisher
from bauta.private.leakage import verification
from bauta.private.loop import LOG, SHARES, build_private
from bauta.private.report import EVALUATION, Row, frontier, read_row, write_report
from bauta.recognizers.crops import crop_of
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.teachers import to_tensor
from tests.private.test_training import SMALL

CROP = crop_of("arcface", 64)
CPU = torch.device("cpu")


def masked(secret: bytes) -> Publisher:
    return publisher(defence("ppfr-fd"), secret, stride=2)


def shown_by(which: Publisher, faces: FaceSet) -> tuple[torch.Tensor, torch.Tensor]:
    crops = plain_crop(to_tensor(faces.take(np.arange(len(faces)))), CROP)
    ones = torch.ones(len(crops), dtype=torch.long)
    return crops, published(which, crops, ones, torch.Generator().manual_seed(0))


def test_faces_are_drawn_by_who_has_the_secret(little: FaceSet) -> None:
    how = Inversion(steps=120, batch=8, widths=(8, 16, 32), rate=1e-2)
    losses: list[float] = []
    net = train_inversion(
        masked(b"mine"), little, CROP, how, device=CPU, progress=lambda _d, _n, x: losses.append(x)
    )
    assert np.mean(losses[-5:]) < 0.6 * losses[0]
    away = []
    for secret in (b"mine", b"another"):
        crops, seen = shown_by(masked(secret), little)
        drawn = reconstructions(net, seen)
        assert drawn.shape == crops.shape
        away.append(float((drawn - crops).abs().mean()))
    assert away[0] < 0.7 * away[1]


def test_people_are_linked_by_who_has_the_secret(little: FaceSet) -> None:
    unit = F.normalize(torch.randn(6, 16, generator=torch.Generator().manual_seed(0)))
    targets = unit[torch.from_numpy(little.people)].numpy()
    how = Linkage(steps=50, batch=16, rate=1e-2, network=dict(SMALL.network))
    student = train_linkage(masked(b"mine"), little, targets, CROP, how, device=CPU)
    found = []
    for secret in (b"mine", b"another"):
        _, seen = shown_by(masked(secret), little)
        with torch.no_grad():
            told = F.normalize(student.of_masked(seen))
        right = (told @ unit.T).argmax(dim=1) == torch.from_numpy(little.people)
        found.append(float(right.float().mean()))
    assert found[0] > 0.9
    assert found[1] < 0.6


def test_components_span_faces_in_the_order_of_their_strength(little: FaceSet) -> None:
    faces = plain_crop(to_tensor(little.take(np.arange(48))), CROP)
    prior = face_prior(faces, components=47)
    assert prior.basis.shape == (47, 3, 64, 64)
    flat = prior.basis.flatten(1)
    products = flat @ flat.T
    strengths = products.diag()
    assert bool((strengths.diff() <= 1e-3 * strengths[0]).all())
    assert float((products - products.diag().diag()).abs().max()) < 1e-3 * float(strengths[0])
    # All of them together draw every face that they are of.
    components = (faces - prior.mean).flatten(1) @ flat.T / strengths
    assert float((prior.faces(components) - faces).abs().max()) < 1.0
    assert float(components.square().mean()) == pytest.approx(1.0, rel=0.05)


def test_a_face_is_sought_that_a_network_takes_for_a_person(little: FaceSet) -> None:
    _, network = build_private(replace(SMALL, defence="ppfr-fd"), b"mine")
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.momentum = None
    photos = plain_crop(to_tensor(little.take(np.arange(48))), CROP)
    network(photos)
    network.eval()
    with torch.no_grad():
        wanted = network.raw(photos[:2])
    away: list[float] = []
    prior = face_prior(photos[2:], 20)
    faces = invert_network(
        network, wanted, prior, Optimised(steps=60), progress=lambda _d, _n, x: away.append(x)
    )
    assert faces.shape == (2, 3, 64, 64)
    assert float(faces.min()) >= 0
    assert float(faces.max()) <= 255
    assert away[-1] < 0.8 * away[0]
    again = invert_network(network, wanted, prior, Optimised(steps=60))
    torch.testing.assert_close(faces, again, atol=1, rtol=0)


def test_mixtures_are_attacked_as_training_had_them(tmp_path: Path) -> None:
    shares = [0.0, 0.0, 0.25, 0.0, 0.75]
    with (tmp_path / LOG).open("w", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerows([SHARES, [1, 0, 0, 0, 0], shares])
    drawn = counts_of(defence("ahm"), tmp_path, 2000, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {COUNTS[2], COUNTS[4]}
    assert float((drawn == COUNTS[4]).float().mean()) == pytest.approx(0.75, abs=0.05)
    fixed = counts_of(defence("mixup-3"), tmp_path, 10, torch.Generator())
    assert set(fixed.tolist()) == {3}


def test_verification_goes_from_chance_to_certainty() -> None:
    draw = torch.Generator().manual_seed(0)
    faces = F.normalize(torch.randn(200, 64, generator=draw))
    others = F.normalize(torch.randn(200, 64, generator=draw))
    assert verification(faces, faces)[0] == 1
    accuracy, error = verification(faces, others)
    assert accuracy == pytest.approx(0.5, abs=0.08)
    assert 0 < error < 0.1


def test_plans() -> None:
    plans = plans_of("all", "both", 2, 7, 4, "cpu", 1, several=3)
    assert [(p.attack, p.box) for p in plans] == [
        ("unet", "white"), ("unet", "black"), ("linkage", "white"), ("linkage", "black"),
        ("optimised", "white"),
    ]  # fmt: skip
    assert {(p.count, p.several, p.seed) for p in plans} == {(2, 3, 1)}
    assert plans[0].inversion.widths == (4, 8, 16, 32, 64)
    with pytest.raises(UsageError, match="at least once"):
        Plan(attack="unet", several=0)


def a_row(name: str, accuracy: float, s3: float, s4: float) -> Row:
    return Row(
        name=name, accuracy=accuracy, error=0.01, s1=0.5, s2=0.5, s3=s3, s4=s4, s3_black=None,
        s4_black=None, unlinked=None, s3_several=None, s4_several=None, unlinked_several=None,
        spread=0.0,
    )  # fmt: skip


def test_the_frontier_is_of_those_whom_nobody_beats_twice() -> None:
    rows = [
        a_row("plain", 0.9, 0.0, 0.0), a_row("mask", 0.85, 0.4, 0.2), a_row("worse", 0.8, 0.3, 0.2),
        a_row("mix", 0.7, 0.5, 0.6),
    ]  # fmt: skip
    assert frontier(rows) == {"plain", "mask", "mix"}
    assert rows[3].privacy == pytest.approx(0.4 * 0.5 + 0.6 * 0.55)


def test_scores_are_of_the_strongest_attack(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "attacks").mkdir()
    (tmp_path / EVALUATION).write_text('{"accuracy": 0.8, "error": 0.02}', "utf-8")
    with pytest.raises(UsageError, match="invert first"):
        read_row(tmp_path)
    for number, (attack, box, count, several, ssim, known) in enumerate(
        [
            ("glimpse", "none", None, 1, 0.2, 0.5), ("unet", "white", None, 1, 0.6, 0.7),
            ("optimised", "white", None, 1, 0.3, 0.8), ("unet", "black", None, 1, 0.3, 0.5),
            ("linkage", "white", None, 1, None, 0.9), ("unet", "white", 1, 1, 0.99, 1.0),
            ("unet", "white", None, 8, 0.7, 0.95), ("linkage", "white", None, 8, None, 1.0),
        ]
    ):  # fmt: skip
        row = {
            "attack": attack, "box": box, "count": count, "several": several, "error": 0.01,
            "verification": known,
        }  # fmt: skip
        row |= {} if ssim is None else {"ssim": ssim}
        (tmp_path / "attacks" / f"{number}.json").write_text(json.dumps(row), "utf-8")
    row = read_row(tmp_path)
    # What a service is asked with is another question, and is left out.
    scores = (row.s1, row.s2, row.s3, row.s4, row.s3_black, row.s4_black, row.unlinked)
    assert scores == pytest.approx((0.8, 1, 0.4, 0.4, 0.7, 1, 0.2))
    page = write_report([row], tmp_path / "page").read_text("utf-8")
    averaged = (row.s3_several, row.s4_several, row.unlinked_several)
    assert averaged == pytest.approx((0.3, 0.1, 0.0))
    assert "| 80.0 ± 2.0 |" in page
