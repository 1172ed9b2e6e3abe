"""What a run of the bench is to do, as a TOML file says it."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bauta.bench.changes import adversary_names
from bauta.errors import UsageError
from bauta.methods.baselines.base import baselines
from bauta.methods.baselines.obscuring import obscurers
from bauta.methods.personal import personal_methods
from bauta.methods.registry import methods
from bauta.named import names_of, read_named
from bauta.plain import build
from bauta.settings import Settings

#: Scenarios of docs/bench.md, and what each needs protected.
SCENARIOS = ("A", "B", "C", "D")
#: Settings that a method of Bauta's may have in a plan.
_OPTIONS = frozenset(
    {
        "preset",
        "perceptual",
        "warp",
        "spare",
        "goal",
        "gain",
        "target_search",
        "gamma",
        "level",
        "region",
        "style",
        "strength",
        "word",
        "refine",
    }
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A method of a plan.

    Attributes:
        name: of a method of Bauta's, a baseline or an obscurer.
        label: what tables call it; empty: its name.
        options: settings of a method of Bauta's.
        surrogates: recognizers to optimise against instead of the plan's.

    """

    name: str
    label: str = ""
    surrogates: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check name and options."""
        if self.name not in method_names():
            # The registry of methods knows the nearest names of its own kind alone.
            raise UsageError(f"unknown method {self.name!r}: use {', '.join(method_names())}")
        known = personal_options(self.name) if self.personal else _OPTIONS
        unknown = sorted(set(self.options) - known)
        if unknown:
            raise UsageError(f"method {self.name}: unknown {', '.join(unknown)}")
        if self.options and self.name not in (*methods.names(), *personal_methods.names()):
            raise UsageError(f"method {self.name} has the settings of its paper, and takes none")
        if self.options.get("spare") and self.surrogates:
            raise UsageError(f"method {self.name}: spare goes with the default surrogates")
        if self.name in methods.names():
            build(Settings, {"method": self.name, **self.options})

    @property
    def personal(self) -> bool:
        """Whether it is one of Bauta's personal masks."""
        return self.name in personal_methods.names()

    @property
    def title(self) -> str:
        """What tables call it."""
        return self.label or self.name

    @property
    def slug(self) -> str:
        """What its folder is called: its title, and a hash of what it has of its own, if any."""
        words = re.sub(r"[^a-z0-9+-]+", "-", self.title.lower()).strip("-")
        own = {**self.options, **({"surrogates": self.surrogates} if self.surrogates else {})}
        return f"{words}-{_hash(own)[:6]}" if own else words


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run of the bench.

    Attributes:
        name: of the run, and of its folder.
        about: what it is for, in a sentence.
        split: name of a split in the package.
        people: how many of the split's people are protected; the others stay in the gallery; of a
            split of chips, how many of each cell of sex, race and age.
        skip: people to leave out before those, for choosing settings on others than are reported.
        gallery: how many photos of other people are searched besides those of the protected and
            the targets, drawn by the seed; 0: all of the protocol's.
        methods: what is compared.
        epsilon: budgets, in grey levels; what hides faces by covering them is run once.
        surrogates: recognizers to optimise against; empty: the default team.
        judges: recognizers that judge; empty: all that are at hand.
        scenarios: out of :data:`SCENARIOS`.
        adversaries: names out of :mod:`bauta.bench.changes`, at all their strengths.
        seed: seed of all randomness.

    """

    name: str
    about: str = ""
    split: str = "lfw-identification"
    people: int = 100
    skip: int = 0
    gallery: int = 0
    methods: tuple[Entry, ...] = ()
    epsilon: tuple[float, ...] = (8.0,)
    surrogates: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ("A",)
    adversaries: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without photos."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise UsageError(f"a run is named by small letters, digits, . _ and -: {self.name!r}")
        if not self.methods:
            raise UsageError("a plan needs methods")
        slugs = [entry.slug for entry in self.methods]
        twice = sorted({e.title for e in self.methods if slugs.count(e.slug) > 1})
        titles = [entry.title for entry in self.methods]
        twice = twice or sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise UsageError(f"methods need labels of their own: {', '.join(twice)}")
        if self.people < 1 or self.skip < 0 or self.gallery < 0:
            raise UsageError("people must be at least 1, skip and gallery not negative")
        if not self.epsilon or not all(1 <= e <= 64 for e in self.epsilon):
            raise UsageError("epsilon must be between 1 and 64 grey levels")
        _known("scenario", self.scenarios, SCENARIOS)
        _known("adversary", self.adversaries, adversary_names())

    def to_json(self) -> dict[str, Any]:
        """Plain data, which :func:`parse_plan` reads."""
        entries = [
            {"name": e.name, "label": e.label, "surrogates": e.surrogates, **e.options}
            for e in self.methods
        ]
        return json.loads(json.dumps({**asdict(self), "methods": entries}))  # type: ignore[no-any-return]  # what went in

    @property
    def needs_seconds(self) -> bool:
        """Whether second photos are protected too."""
        return bool({"B", "C"} & set(self.scenarios))

    def digest(self, weights: Mapping[str, str]) -> str:
        """Short hash of what all files of a run have in common, to recognise the same run.

        Methods, budgets, judges, adversaries and scenarios may be added to a run; they have files
        of their own.

        Args:
            weights: SHA-256 of each surrogate's weights.

        """
        people = [self.split, self.people, self.skip, self.gallery, self.seed]
        return _hash([*people, sorted(weights.items())])


#: Kinds of what is not a list.
_KINDS: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("name", "about", "split"), (str, "words")),
    **dict.fromkeys(("people", "skip", "gallery", "seed"), (int, "a whole number")),
}


def _hash(data: object) -> str:
    text = json.dumps(data, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def personal_options(name: str) -> set[str]:
    """What may be chosen of a personal mask: its parameters, and how many "photos" it is fitted on.

    The rest the plan says for all methods.
    """
    parameters = personal_methods[name]().get_params()
    return {*parameters, "photos"} - {"epsilon", "surrogates", "seed", "device"}


def method_names() -> list[str]:
    """Names of all that can be compared."""
    return sorted(
        {*methods.names(), *personal_methods.names(), *baselines.names(), *obscurers.names()}
    )


def read_plan(name: str | Path) -> Plan:
    """Read a plan.

    Args:
        name: a plan of the package, or the path of a TOML file.

    Raises:
        UsageError: there is no such plan, or it does not make sense.

    """
    return parse_plan({"name": Path(name).stem, **read_named("plan", name)}, str(name))


def plan_names() -> list[str]:
    """Names of the plans in the package."""
    return names_of("plan")


def parse_plan(data: Mapping[str, Any], where: str) -> Plan:
    """Build a plan of plain data; unknown keys are errors.

    Methods are names, names with * and ?, or tables of name, label, surrogates and options.

    Raises:
        UsageError: a key is unknown, missing or of the wrong type.

    """
    values = dict(data)
    unknown = sorted(set(values) - {item.name for item in fields(Plan)})
    if unknown:
        raise UsageError(f"{where}: unknown {', '.join(unknown)}")
    for key, value in values.items():
        kind, word = _KINDS.get(key, (list, "a list"))
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UsageError(f"{where}: {key} must be {word}")
    try:
        values["methods"] = tuple(_entries(values.get("methods", [])))
        for key in ("epsilon", "surrogates", "judges", "scenarios", "adversaries"):
            values[key] = tuple(values.get(key, getattr(Plan, key)))
        return build(Plan, values)
    except (TypeError, UsageError) as error:
        raise UsageError(f"{where}: {error}") from error


def _entries(items: Sequence[str | Mapping[str, Any]]) -> list[Entry]:
    out: list[Entry] = []
    for item in items:
        if not isinstance(item, str):
            if "name" not in item:
                raise UsageError(f"a method needs a name: {dict(item)}")
            own = {key: value for key, value in item.items() if key in ("name", "label")}
            options = {k: v for k, v in item.items() if k not in ("name", "label", "surrogates")}
            team = item.get("surrogates", [])
            if not isinstance(team, list | tuple):
                raise UsageError(f"surrogates of {item['name']} must be a list")
            out.append(build(Entry, {**own, "surrogates": tuple(team), "options": options}))
            continue
        names = fnmatch.filter(method_names(), item) if set(item) & set("*?") else [item]
        if not names:
            raise UsageError(f"no method is called like {item}")
        out += [Entry(name=name) for name in names if name not in {entry.title for entry in out}]
    return out


def _known(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"unknown {kind} {unknown[0]!r}: use {', '.join(known)}")
