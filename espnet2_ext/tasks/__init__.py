"""ESPnet tasks, one per trainable model.

Importing ESPnet's tasks imports its English g2p, which looks for NLTK data on the network each
time. It is put off until somebody uses it.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _PutOff(ModuleType):
    """Stands for a module that is imported when it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


_g2p = _PutOff("g2p_en")
_g2p.__spec__ = ModuleSpec("g2p_en", None)  # transformers asks for it with find_spec
sys.modules.setdefault("g2p_en", _g2p)
