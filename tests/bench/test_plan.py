"""Plans: what they may say, and what they are told when they say something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bauta.bench.contestants import contestants
from bauta.bench.plan import method_names, parse_plan, plan_names, read_plan
from bauta.errors import UsageError


def plan(**values):
    return parse_plan({"name": "mine", "methods": ["tip-im"], **values}, "mine.toml")


@pytest.mark.parametrize("name", plan_names())
def test_plans_of_the_package(name):
    of = read_plan(name)
    assert of.name == name
    assert of.about
    assert contestants(of)


def test_a_file_is_named_after_itself_and_may_hold_tables(tmp_path: Path):
    file = tmp_path / "my-run.toml"
    file.write_text(
        'epsilon = [4, 8]\nmethods = ["pgd", {name = "tip-im", label = "plain", warp = 0.0}]\n'
    )
    of = read_plan(file)
    assert of.name == "my-run"
    slug = of.methods[1].slug
    assert slug.startswith("plain-")
    assert [c.key for c in contestants(of)] == ["pgd@4", "pgd@8", f"{slug}@4", f"{slug}@8"]
    assert of.methods[1].options == {"warp": 0.0}


def test_what_is_kept_can_be_read_again():
    of = plan(
        methods=[
            "pgd",
            {"name": "bim", "surrogates": ["dlib"]},
            {"name": "tip-im", "label": "plain", "warp": 0.0},
        ],
        epsilon=[4, 8],
    )
    assert parse_plan(of.to_json(), "kept") == of


def test_what_has_no_budget_comes_once():
    of = plan(methods=["none", "blur", "noise", "fgsm"], epsilon=[4, 8])
    assert [c.key for c in contestants(of)] == [
        *("none", "blur", "noise@4", "noise@8", "fgsm@4", "fgsm@8")
    ]


def test_wildcards_add_each_method_once():
    of = plan(methods=["opom-*", "opom-centre", "?gd"])
    names = [entry.name for entry in of.methods]
    assert len(names) == len(set(names))
    assert {"opom-affine-md", "pgd"} <= set(names) <= set(method_names())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, "unknown colour"),
        ({"methods": []}, "needs methods"),
        ({"methods": ["tip-in"]}, "unknown method 'tip-in'"),
        ({"methods": ["x-*"]}, "no method is called like"),
        ({"methods": "tip-im"}, "methods must be a list"),
        ({"methods": [{"label": "nameless"}]}, "name"),
        ({"methods": ["pgd", {"name": "fgsm", "label": "pgd"}]}, "labels of their own: pgd"),
        ({"methods": [{"name": "pgd", "steps": 3}]}, "unknown steps"),
        ({"methods": [{"name": "pgd", "warp": 3}]}, "settings of its paper"),
        ({"methods": [{"name": "chameleon", "epsilon": 3}]}, "chameleon: unknown epsilon"),
        ({"methods": [{"name": "chameleon", "preset": "fast"}]}, "chameleon: unknown preset"),
        ({"methods": [{"name": "pgd", "surrogates": "dlib"}]}, "surrogates of pgd must be a list"),
        ({"gallery": -1}, "gallery not negative"),
        ({"methods": [{"name": "tip-im", "warp": 30}]}, "warp must be"),
        ({"people": 0}, "people must be at least 1"),
        ({"people": "all"}, "people"),
        ({"epsilon": [0.5]}, "between 1 and 64"),
        ({"epsilon": []}, "between 1 and 64"),
        ({"scenarios": ["E"]}, "unknown scenario 'E': use A, B, C, D"),
        ({"adversaries": ["gif"]}, "unknown adversary 'gif'"),
        ({"name": "../up"}, "small letters"),
    ],
)
def test_nonsense_is_named(values, message):
    with pytest.raises(UsageError, match=r"^mine.toml: ") as caught:
        plan(**values)
    assert message in str(caught.value)


def test_missing_and_broken_files(tmp_path: Path):
    with pytest.raises(UsageError, match=r"no plan nowhere: use .*smoke"):
        read_plan("nowhere")
    broken = tmp_path / "broken.toml"
    broken.write_text("methods = [")
    with pytest.raises(UsageError, match="is not a plan"):
        read_plan(broken)


def test_the_digest_knows_what_decides_the_files():
    weights = {"dlib": "12ab"}
    same = plan(judges=["dlib"], adversaries=["jpeg"], scenarios=["A", "B"], epsilon=[4])
    assert plan().digest(weights) == same.digest(weights)
    others = [{}, {"seed": 1}, {"people": 5}, {"skip": 2}, {"gallery": 9}]
    assert len({plan(**values).digest(weights) for values in others}) == len(others)
    assert plan().digest(weights) != plan().digest({"dlib": "34cd"})


def test_other_options_are_other_files():
    """The same label on other settings must not be answered with the old photos."""
    keys = {
        contestants(plan(methods=[{"name": "tip-im", "label": "mine", **options}]))[0].key
        for options in ({}, {"warp": 0.0}, {"warp": 1.0}, {"goal": "impersonate"})
    }
    assert len(keys) == 4
    looks = plan(methods=[{"name": "dfpp", "style": "tan"}, {"name": "dfpp", "label": "rose"}])
    assert len({one.key for one in contestants(looks)}) == 2
    with pytest.raises(UsageError, match="labels of their own"):
        plan(methods=[{"name": "pgd", "label": "a b"}, {"name": "fgsm", "label": "A-B"}])
