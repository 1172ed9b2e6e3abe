"""The registry of protection methods: a new one is a file with a class under a decorator."""

from __future__ import annotations

from bauta.engine.loop import IterativeMethod
from bauta.registry import Registry

#: Name to class. A class takes keyword arguments only and has ``run(problem)``.
methods: Registry[type[IterativeMethod]] = Registry(
    "method",
    {
        "tip-im": "bauta.methods.tip_im",
        "dfpp": "bauta.methods.dfpp",
        "dpg": "bauta.methods.dpg",
    },
)
