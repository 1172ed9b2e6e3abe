"""The registry of protection methods: a new one is a file with a class under a decorator.

It may lie outside Bauta: ``BAUTA_PLUGINS`` names files, and packages announce theirs in the group
of entry points ``bauta.methods``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bauta.registry import Registry

if TYPE_CHECKING:
    from bauta.engine.loop import IterativeMethod

#: Name to class. A class takes keyword arguments only and has ``run(problem)``.
methods: Registry[type[IterativeMethod]] = Registry(
    "method",
    {
        "tip-im": "bauta.methods.tip_im",
        "dfpp": "bauta.methods.dfpp",
        "dpg": "bauta.methods.dpg",
    },
    group="bauta.methods",
)
