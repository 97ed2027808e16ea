"""ESPnet tasks, one per trainable model.

Importing ESPnet's tasks imports its English g2p, which looks for NLTK data on the network each
time. It is put off until somebody uses it.
"""

import sys
from importlib import import_module
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


sys.modules.setdefault("g2p_en", _PutOff("g2p_en"))
