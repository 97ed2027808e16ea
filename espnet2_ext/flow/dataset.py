"""Utterances of the flow: checked against each other, and cropped to equal lengths for training."""

from collections.abc import Mapping, Sequence

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.score.length import EXACT, shared_frames

SCORE_COLUMNS = 4


class FlowPreprocessor:
    """Check an utterance's streams and crop them all at the same token frames.

    Args:
        sizes: Codes of each stream, SSL first.
        frames_per_token: Mel frames that a token frame covers.
        crop_frames: Token frames kept in training; 0 keeps whole utterances.
        max_prompt_frames: Token frames of the prompt that are kept.
        train: Crop at random places; without it utterances stay whole and prompts are cut at the
            end.
        length_policy: Of ``sampled`` tokens that are not as many as ``codec_ssl``: "exact" refuses
            them; with "pad" or "trim" all streams are cut to the frames that both have.
        widths: Columns that streams of matrices have (``mel``, ``soft``), where they are known.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        frames_per_token: int,
        crop_frames: int = 0,
        max_prompt_frames: int = 150,
        train: bool = True,
        length_policy: str = EXACT,
        widths: Mapping[str, int] | None = None,
    ) -> None:
        self.sizes, self.per_token = list(sizes), frames_per_token
        self.crop_frames, self.max_prompt_frames = crop_frames, max_prompt_frames
        self.train, self.length_policy = train, length_policy
        self.widths = dict(widths or {})

    def __call__(self, uid: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Streams of `uid` as they stand in the arks to what the model's forward takes.

        Raises:
            UserError: naming the utterance and the stream that does not fit the others.
        """
        nq = len(self.sizes)
        n_frames = self._frames(uid, "codec_ssl", data["codec_ssl"], nq)
        per_frame = {
            "codec_ssl": nq,
            "sampled": nq,
            "score_frames": SCORE_COLUMNS,
            "mel": self.per_token,
            "f0": self.per_token,
            "soft": 1,
        }
        for name in ("codec_ssl", "sampled", "prompt"):
            if name in data:
                self._check_codes(uid, name, data[name])
        for name, columns in self.widths.items():
            if name in data and data[name].shape[1:] != (columns,):
                raise UserError(uid, f"shape {data[name].shape}", f"(frames, {columns})", name)
        n_sampled = shared = n_frames
        if "sampled" in data:
            n_sampled = self._frames(uid, "sampled", data["sampled"], nq)
            shared = shared_frames(
                self.length_policy, n_sampled, n_frames, uid, "sampled", "codec_ssl"
            )
        start, stop = 0, shared
        if self.train and 0 < self.crop_frames < shared:
            start = np.random.randint(shared - self.crop_frames + 1)
            stop = start + self.crop_frames
        out = {}
        for name, array in data.items():
            if name in per_frame:
                width = per_frame[name]
                found = self._frames(uid, name, array, width)
                other = "sampled" if name == "soft" and "sampled" in data else "codec_ssl"
                expected = n_sampled if name in ("sampled", "soft") else n_frames
                if found != expected:
                    raise UserError(uid, f"{found} frames", f"{expected} as {other}", name)
                out[name] = array[start * width : stop * width]
            elif name == "prompt":
                out[name] = self._prompt(uid, array, nq)
            else:
                out[name] = array
        return out

    def _frames(self, uid: str, name: str, array: np.ndarray, width: int) -> int:
        if len(array) == 0 or len(array) % width:
            raise UserError(uid, f"{len(array)} values", f"a multiple of {width}", name)
        return len(array) // width

    def _check_codes(self, uid: str, name: str, array: np.ndarray) -> None:
        self._frames(uid, name, array, len(self.sizes))
        codes = array.reshape(-1, len(self.sizes))
        wrong = (codes < 0) | (codes >= np.array(self.sizes))
        if wrong.any():
            frame, stream = np.argwhere(wrong)[0]
            raise UserError(
                uid,
                f"code {codes[frame, stream]} in stream {stream} of frame {frame}",
                f"0 to {self.sizes[stream] - 1}",
                name,
            )

    def _prompt(self, uid: str, array: np.ndarray, nq: int) -> np.ndarray:
        n_frames = self._frames(uid, "prompt", array, nq)
        start = 0
        if self.train and n_frames > self.max_prompt_frames:
            start = np.random.randint(n_frames - self.max_prompt_frames + 1)
        return array[start * nq : (start + self.max_prompt_frames) * nq]
