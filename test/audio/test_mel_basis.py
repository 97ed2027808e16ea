"""Our mel filters are librosa's, bit for bit."""

import librosa
import numpy as np
import pytest

from espnet2_ext.audio.mel_basis import band_edges, mel_basis


@pytest.mark.parametrize("fs", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize(("n_fft", "n_mels"), [(512, 20), (1024, 80), (1200, 64), (2048, 128)])
def test_filters_are_librosas(fs, n_fft, n_mels):
    for fmin, fmax in ((0, fs / 2), (20, fs / 3), (80.5, 3800), (1000, fs / 2), (1200, 3000)):
        ours = mel_basis(fs, n_fft, n_mels, fmin, fmax)
        theirs = librosa.filters.mel(sr=fs, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
        assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
        edges = librosa.mel_frequencies(n_mels + 2, fmin=fmin, fmax=fmax)
        assert np.array_equal(band_edges(n_mels, fmin, fmax), edges)
