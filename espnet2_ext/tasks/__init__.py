"""ESPnet tasks, one per trainable model.

Importing ESPnet's tasks takes 10 s of a processor, most of it for what our trainings never use, and
each stage of a recipe pays it again. Here is what is left out or put off, a third of that remains:

- its English g2p, which also looks for NLTK data on the network each time, and music21;
- its attention plots, which need all of JETS, SciPy's statistics and Numba;
- its preprocessors, which need the tokenizers of every language (ours are no subclasses);
- transformers, for its adapters of an s3prl frontend;
- the run-time type checks, for which typeguard parses every decorated module again.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import typeguard


class _PutOff(ModuleType):
    """Stands for a module that is imported when it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _put_off(name: str, *functions: str) -> None:
    """Import `name`, if installed, when first used; others take its `functions` by name."""
    if name in sys.modules or find_spec(name.partition(".")[0]) is None:
        return
    module = _PutOff(name)
    module.__spec__ = ModuleSpec(name, None)  # transformers asks for it with find_spec
    for function in functions:

        def call(*args: Any, _name: str = function, **options: Any) -> Any:
            return _PutOff.__getattr__(module, _name)(*args, **options)

        setattr(module, function, call)
    sys.modules[name] = module


@contextmanager
def _without_extras() -> Iterator[None]:
    """What is imported here does without transformers and without checks of types at run time."""
    checked = typeguard.typechecked
    hidden = "transformers" not in sys.modules
    typeguard.typechecked = lambda target=None, **_: target or (lambda function: function)
    if hidden:
        sys.modules["transformers"] = None  # an ImportError, as where it is not installed
    try:
        yield
    finally:
        typeguard.typechecked = checked
        if hidden:
            del sys.modules["transformers"]


_put_off("g2p_en")
_put_off("music21")
_put_off("espnet2.main_funcs.calculate_all_attentions", "calculate_all_attentions")
_put_off("espnet2.train.preprocessor", "detect_non_silence")
with _without_extras():
    import_module("espnet2.tasks.abs_task")
    import_module("espnet2.train.collate_fn")
