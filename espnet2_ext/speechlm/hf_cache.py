"""The cache of decoding, for decoders of transformers, which ask it more."""

from transformers.cache_utils import Cache

from espnet2_ext.speechlm.cache import KeyValueCache


class HfKeyValueCache(KeyValueCache, Cache):
    """`KeyValueCache` as one of transformers' caches."""

    def __init__(self, positions: int) -> None:
        Cache.__init__(self, layers=[])
        KeyValueCache.__init__(self, positions)
