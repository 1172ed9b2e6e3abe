"""The contract of methods, for every registered method against every installed surrogate."""

from __future__ import annotations

import itertools

import pytest

from bauta.methods.registry import methods
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import get_recognizer, installed
from tests.methods.contract import MethodContract, Subject

SURROGATES = [name for name in installed() if isinstance(get_recognizer(name), Recognizer)]
#: Methods that take many times as long, and of whose code no line depends on the surrogate.
SLOW = ("dfpp",)
PAIRS = [
    (method, surrogate)
    for method, surrogate in itertools.product(methods.names(), SURROGATES)
    if method not in SLOW or surrogate == "tight-ms1m"
]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def subject(request, collins, collins_face, hopper, hopper_face) -> Subject:
    method, surrogate = request.param
    photos, faces = [collins, hopper], [collins_face, hopper_face]
    return Subject(methods[method], get_recognizer(surrogate), photos, faces)


class TestRegisteredMethods(MethodContract):
    pass


def test_there_is_something_to_test():
    assert "tip-im" in methods.names()
    assert "dlib" in SURROGATES


@pytest.mark.parametrize("name", methods.names())
def test_methods_say_what_they_are_and_are_values(name: str):
    method = methods[name]
    assert "Args" in (method.__doc__ or "")
    one = method(steps=3, seed=7)
    assert one == method(steps=3, seed=7)
    assert one != method(steps=3, seed=8)
    with pytest.raises(TypeError):
        method(3)
    with pytest.raises(AttributeError):
        one.steps = 4
