"""Command lines: ``python -m espnet2_ext.bin.NAME``.

Families, which have commands (``NAME COMMAND``): data, fit, hub, infer, prepare, report, train.
Others: tokenize, score, rows, pack, sing, lint, convert_score, listening_test, make_mini_singing,
launch, and espnet (any of ESPnet's own, with our classes among its choices).
"""

import sys

from espnet2_ext.bin.former import FormerNames

if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
    sys.meta_path.append(FormerNames())
