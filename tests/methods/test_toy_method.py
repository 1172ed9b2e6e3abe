"""A new method is a short file: here is one, and it keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from bauta.engine.loop import IterativeMethod
from bauta.methods.registry import methods
from bauta.recognizers.base import Recognizer, affine_crop
from tests.engine.make import ToyNetwork
from tests.methods.contract import MethodContract, Subject


@pytest.fixture(scope="module", autouse=True)
def toy_method() -> Iterator[type[IterativeMethod]]:
    @methods.register("toy.plain")
    @dataclass(frozen=True, kw_only=True)
    class PlainSteps(IterativeMethod):
        """Every step follows the gradient of the moment alone."""

        def direction(self, problem, state, generator):
            return self.gradient(problem, state, state.delta, generator)

    yield PlainSteps
    methods._items.pop("toy.plain")


class Toy(Recognizer):
    threshold = 0.9  # type: ignore[assignment]


class TestToyMethod(MethodContract):
    @pytest.fixture(scope="class")
    def subject(self, collins, collins_face, hopper, hopper_face) -> Subject:
        surrogate = Toy("toy", affine_crop(64, (0.2, 0.2), 0.6), ToyNetwork(), "toy")
        photos, faces = [collins, hopper], [collins_face, hopper_face]
        return Subject(methods["toy.plain"], surrogate, photos, faces)


def test_it_is_found_by_name_and_wildcard():
    assert methods.names("toy.*") == ["toy.plain"]
    assert torch.is_grad_enabled()
