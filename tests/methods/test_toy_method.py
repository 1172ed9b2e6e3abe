"""A new method is a short file: here is one, and it keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from bauta.engine.loop import IterativeMethod
from bauta.methods.registry import methods
from bauta.recognizers.zoo import get_surrogate
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


@pytest.fixture(scope="module")
def subject(toy_method, collins, collins_face, hopper, hopper_face) -> Subject:
    return Subject(
        toy_method, get_surrogate("dlib"), [collins, hopper], [collins_face, hopper_face]
    )


class TestToyMethod(MethodContract):
    pass


def test_it_is_found_by_name_and_wildcard():
    assert methods.names("toy.*") == ["toy.plain"]
    assert torch.is_grad_enabled()
