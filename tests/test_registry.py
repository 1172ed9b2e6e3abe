"""The registry: one name, one thing; names are imported when asked for."""

from __future__ import annotations

import sys

import pytest

from bauta.errors import RegistryError
from bauta.registry import Registry


@pytest.fixture
def lazy(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Registry[str]:
    """A registry of which one name comes with a module that registers it."""
    registry: Registry[str] = Registry("spice", {"warm.cumin": "a_spice", "warm.lost": "no_spice"})
    monkeypatch.setattr(sys, "spices", registry, raising=False)
    (tmp_path / "a_spice.py").write_text("import sys\nsys.spices.register('warm.cumin')('cumin')\n")
    (tmp_path / "no_spice.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_spice", raising=False)
    return registry


def test_modules_are_imported_at_the_first_lookup(lazy: Registry[str]):
    assert lazy.names() == ["warm.cumin", "warm.lost"]
    assert "a_spice" not in sys.modules
    assert lazy["warm.cumin"] == "cumin"
    assert "a_spice" in sys.modules
    assert lazy["warm.cumin"] == "cumin"


def test_a_module_that_does_not_register_its_name(lazy: Registry[str]):
    with pytest.raises(RegistryError, match=r"unknown spice 'warm\.lost'"):
        lazy["warm.lost"]


def test_names_and_wildcards(lazy: Registry[str]):
    assert lazy.register("cold.mint")("mint") == "mint"
    assert lazy.names() == ["cold.mint", "warm.cumin", "warm.lost"]
    assert lazy.names("warm.*") == ["warm.cumin", "warm.lost"]
    assert lazy.names("*.mint") == ["cold.mint"]
    assert lazy.names("hot.*") == []


def test_a_name_is_given_once(lazy: Registry[str]):
    lazy.register("cold.mint")("mint")
    with pytest.raises(RegistryError, match=r"spice 'cold\.mint' is registered already"):
        lazy.register("cold.mint")("other")
    assert lazy["cold.mint"] == "mint"


def test_unknown_names_offer_the_closest_or_all(lazy: Registry[str]):
    with pytest.raises(RegistryError, match=r"did you mean warm\.cumin\?"):
        lazy["warm.cumim"]
    with pytest.raises(RegistryError, match=r"did you mean warm\.cumin, warm\.lost\?"):
        lazy["zzz"]


def test_registering_works_as_a_decorator():
    registry: Registry[type] = Registry("class")

    @registry.register("one")
    class One:
        pass

    assert registry["one"] is One


def test_further_objects_come_and_go_and_replace_nothing():
    more = {"hot.chili": "chili", "cold.mint": "another"}
    registry: Registry[str] = Registry("spice", more=more)
    registry.register("cold.mint")("mint")
    assert registry.names() == ["cold.mint", "hot.chili"]
    assert registry["cold.mint"] == "mint"
    assert registry["hot.chili"] == "chili"
    del more["hot.chili"]
    assert registry.names() == ["cold.mint"]
    with pytest.raises(RegistryError, match=r"unknown spice 'hot\.chili'"):
        registry["hot.chili"]
