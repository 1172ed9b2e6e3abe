"""Losses against their papers' formulas, written out for single numbers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.errors import UsageError
from bauta.training.losses import (
    AttributeHead,
    MarginHead,
    contrast_loss,
    cosine_loss,
    relation_loss,
    triplet_loss,
)


def unit(count: int, length: int = 8, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, length, generator=torch.Generator().manual_seed(seed)))


def test_copying_a_teacher_perfectly_costs_nothing() -> None:
    teacher = unit(6)
    assert float(cosine_loss(teacher, teacher)) == pytest.approx(0, abs=1e-6)
    assert float(relation_loss(teacher, teacher)) == pytest.approx(0, abs=1e-12)
    turned = teacher @ torch.linalg.qr(torch.randn(8, 8))[0]
    # Relations do not see a rotation of the whole space; the cosine does.
    assert float(relation_loss(turned, teacher)) == pytest.approx(0, abs=1e-10)
    assert float(cosine_loss(turned, teacher)) > 0.1


def test_relation_loss_leaves_out_the_diagonal() -> None:
    a = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    b = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(relation_loss(a, b)) == 1.0


def test_contrast_loss_is_the_cross_entropy_of_finding_oneself() -> None:
    student, teacher = unit(5, seed=1), unit(5, seed=2)
    logits = (student @ teacher.T / 0.07).double()
    expected = -(logits.diagonal() - logits.logsumexp(dim=1)).mean()
    assert float(contrast_loss(student, teacher)) == pytest.approx(float(expected), rel=1e-4)


def test_triplet_loss_takes_the_hardest_of_each() -> None:
    e = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])
    who = torch.tensor([0, 0, 1, -1])
    # Anchors 0 and 1 have a positive at 2 - 2 * .6 = .8; negatives at .4 and .08.
    expected = ((0.8 - 0.4 + 0.2) + (0.8 - 0.08 + 0.2)) / 2
    assert float(triplet_loss(e, who)) == pytest.approx(expected, abs=1e-5)
    assert float(triplet_loss(e, torch.full((4,), -1))) == 0
    assert float(triplet_loss(e, torch.tensor([0, 1, 2, 3]))) == 0


@pytest.mark.parametrize("kind", MarginHead.KINDS)
def test_margin_heads_follow_their_formulas(kind: str) -> None:
    torch.manual_seed(0)
    head = MarginHead(kind, 4, 8, margin=0.3, scale=10.0).eval()
    raw = 15 * unit(3, seed=4)
    people = torch.tensor([2, 0, 3])
    loss = float(head(raw, people).detach())
    cosines = (F.normalize(raw) @ F.normalize(head.centres.detach()).T).double().tolist()
    total = 0.0
    for row, who in zip(cosines, people.tolist(), strict=True):
        angle = math.acos(row[who])
        quality = max(-1.0, min(1.0, (15 - 20) / 100 / 3))
        own = {
            "arcface": math.cos(angle + 0.3),
            "cosface": row[who] - 0.3,
            "adaface": math.cos(angle - 0.3 * quality) - 0.3 * (1 + quality),
            "softmax": row[who],
            "centre": row[who],
        }[kind]
        logits = [10 * (own if i == who else c) for i, c in enumerate(row)]
        total += math.log(sum(math.exp(v) for v in logits)) - logits[who]
        total += 1 - row[who] if kind == "centre" else 0
    assert loss == pytest.approx(total / 3, rel=1e-3)


def test_adaface_learns_the_usual_length_in_training_only() -> None:
    head = MarginHead("adaface", 4, 8)
    raw, people = 50 * unit(6), torch.tensor([0, 1, 2, 3, 0, 1])
    head.eval()(raw, people)
    assert float(head.mean) == 20.0
    head.train()(raw, people)
    assert float(head.mean) == pytest.approx(20.3)


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(UsageError, match="arcface"):
        MarginHead("sphere", 3, 8)


@settings(max_examples=25)
@given(st.sampled_from(MarginHead.KINDS), st.integers(0, 1000))
def test_margin_heads_have_finite_gradients_even_at_the_centres(kind: str, seed: int) -> None:
    head = MarginHead(kind, 3, 8)
    raw = torch.cat(
        [head.centres.detach()[:2], -head.centres.detach()[2:], 30 * unit(1, seed=seed)]
    )
    raw.requires_grad_(True)
    head(raw, torch.tensor([0, 1, 2, 0])).backward()
    assert raw.grad is not None
    assert bool(raw.grad.isfinite().all())


def test_attributes_are_learnt_where_they_are_known() -> None:
    torch.manual_seed(0)
    head = AttributeHead(8)
    e = unit(6, seed=3)
    known = torch.tensor(
        [[30, 0, 1], [60, 1, 4], [-1, -1, -1], [20, 1, 0], [5, 0, 2], [-1, -1, -1]]
    )
    assert float(head(e, torch.full((6, 3), -1)).detach()) == 0
    optimizer = torch.optim.Adam(head.parameters(), 0.1)
    before = float(head(e, known).detach())
    for _ in range(200):
        optimizer.zero_grad()
        loss = head(e, known)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1 * before
    assert head.sex(e[[0, 1, 3, 4]]).argmax(1).tolist() == [0, 1, 1, 0]
