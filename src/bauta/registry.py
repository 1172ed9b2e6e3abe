"""A registry of named things: one decorator registers, lookups import lazily.

Names come from Bauta itself, from files that the environment names, and from entry points of
installed packages (:mod:`bauta.plugins`).
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from bauta.errors import RegistryError
from bauta.plugins import entry_modules, load_files

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to objects; modules that register are imported at the first lookup of their name."""

    def __init__(
        self,
        kind: str,
        modules: Mapping[str, str] | None = None,
        more: Mapping[str, T] | None = None,
        group: str = "",
    ) -> None:
        """Create a registry.

        Args:
            kind: what it holds, for messages, such as "method".
            modules: names that come with Bauta, and the module that registers each.
            more: further objects, which may come and go; registered ones go before them.
            group: entry points of other packages, each of which names a module that registers its
                name; Bauta's own names go before them. "": none.

        """
        self.kind = kind
        self._group = group
        self._more = more if more is not None else {}
        self._modules = dict(modules or {})
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers an object under ``name``.

        Raises:
            RegistryError: the name is taken.

        """

        def add(item: T) -> T:
            if name in self._items:
                raise RegistryError(f"the {self.kind} {name!r} is registered already")
            self._items[name] = item
            return item

        return add

    def __getitem__(self, name: str) -> T:
        """Return what is registered under ``name``.

        Raises:
            RegistryError: nothing is; the message lists the closest names.

        """
        if name not in self._items and name in self._modules:
            importlib.import_module(self._modules[name])
        elif name not in self._items and self._group:
            load_files()
            if name not in self._items and name in (others := entry_modules(self._group)):
                importlib.import_module(others[name])
        if name not in self._items and name in self._more:
            return self._more[name]
        if name not in self._items:
            close = difflib.get_close_matches(name, self.names(), n=3) or self.names()
            raise RegistryError(f"unknown {self.kind} {name!r}; did you mean {', '.join(close)}?")
        return self._items[name]

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a shell wildcard."""
        if self._group:
            load_files()
        return sorted(fnmatch.filter(self.announced(), pattern))

    def announced(self) -> set[str]:
        """Names that are known before anything is imported, and those registered by now."""
        others = entry_modules(self._group) if self._group else {}
        return {*self._modules, *self._more, *others, *self._items}
