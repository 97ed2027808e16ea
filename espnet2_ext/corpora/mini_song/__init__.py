"""mini_song, the embedded corpus of songs with accompaniment, speech and dialogues."""

from espnet2_ext.corpora.mini_song.sets import WHERE as WHERE
from espnet2_ext.corpora.mini_song.sets import prepare as prepare
