"""Command lines under the names that they had in version 0.1.0, which scripts may call."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader

FORMER = {
    "ablation_table": "report ablation",
    "adaptation_table": "report adaptation",
    "build_vocabulary": "fit vocabulary",
    "codec_decode": "infer codec",
    "compare": "report compare",
    "data_dir": "data",
    "duration_inference": "infer duration",
    "duration_train": "train duration",
    "expressiveness": "report expressiveness",
    "fit_judges": "fit judges",
    "fit_tokenizers": "fit tokenizers",
    "flow_inference": "infer flow",
    "flow_train": "train flow",
    "format_wav": "data format",
    "memory_table": "report memory",
    "prepare_acesinger": "prepare acesinger",
    "prepare_gtsinger": "prepare gtsinger",
    "prepare_m4singer": "prepare m4singer",
    "prepare_opencpop": "prepare opencpop",
    "prompt_leakage": "report leakage",
    "relocate": "data relocate",
    "results": "report results",
    "rolled_score": "report rolled_score",
    "score_frames": "data frames",
    "soft_tokens": "infer soft",
    "speechlm_inference": "infer speechlm",
    "speechlm_train": "train speechlm",
    "svs_data": "data svs",
    "svs_inference": "infer svs",
    "unpack": "hub unpack",
    "vocoder_inference": "infer vocoder",
    "vocoder_train": "train vocoder",
}
PACKAGE = __name__.rpartition(".")[0]


def main_of(former: str) -> Callable[..., int]:
    """The `main` of a former name."""
    module, *command = FORMER[former].split()

    def main(argv: Sequence[str] | None = None) -> int:
        options = list(sys.argv[1:] if argv is None else argv)
        return import_module(f"{PACKAGE}.{module}").main([*command, *options])

    return main


class FormerNames(MetaPathFinder, InspectLoader):
    """Finds a module for each of `FORMER`, that has nothing but `main`."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        package, _, former = name.rpartition(".")
        if package != PACKAGE or former not in FORMER:
            return None
        return spec_from_loader(name, self, origin=__file__)

    def get_source(self, name: str) -> str:
        former = name.rpartition(".")[2]
        return (
            f"from {PACKAGE}.former import main_of\n"
            f"main = main_of({former!r})\n"
            'if __name__ == "__main__":\n    main()\n'
        )
