"""What ESPnet's SVS models are built of, wherever this ESPnet has it.

ESPnet 202511 has it in the package ``espnet``, 202611 in ``espnet2.legacy``.
"""

try:
    from espnet2.legacy.nets.pytorch_backend.fastspeech.length_regulator import LengthRegulator
    from espnet2.legacy.nets.pytorch_backend.nets_utils import make_non_pad_mask
except ModuleNotFoundError:
    from espnet.nets.pytorch_backend.fastspeech.length_regulator import LengthRegulator
    from espnet.nets.pytorch_backend.nets_utils import make_non_pad_mask

__all__ = ["LengthRegulator", "make_non_pad_mask"]
