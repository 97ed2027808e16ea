"""A source-filter vocoder: pulses at F0 and noise, each through a filter that a network predicts.

Unusual here: F0 is heard exactly as given; the filters are minimum-phase, as WORLD's are, so that
only magnitudes are learned; and the network corrects an envelope read off the mel itself, which is
why it sings after minutes on a CPU.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet2_ext.audio.mel import LogMel, MelConfig, normalise_mel
from espnet2_ext.audio.mel_basis import band_edges
from espnet2_ext.networks.convnext import ConvNeXt
from espnet2_ext.vocoder.abs_vocoder import AbsVocoder
from espnet2_ext.vocoder.source import PulseTrain, frame_noise

LOG_GAIN_RANGE = (-16.0, 8.0)
"""Natural log of a filter's gain is kept inside, so that no input makes it overflow."""

FIRST_LOGITS = (-4.0, 1.0)
"""Of the noise's share of the lowest and the highest band, before training."""

LOG_F0_CENTRE = math.log(220.0)


@dataclass
class Parts:
    """What `SourceFilterVocoder` heard in its input: (B, N) samples each, adding up to the wave."""

    harmonic: Tensor
    noise: Tensor


class SourceFilterVocoder(AbsVocoder):
    """See the module's docstring.

    Args:
        mel: Configuration of the input.
        dim: Channels of the network.
        n_layers: ConvNeXt blocks.
        kernel_size: Of the convolutions over frames.
        expansion: Width of the pointwise networks over `dim`.
        filter_size: Length of the filters in samples; their response is given at
            ``filter_size / 2 + 1`` frequencies.
        aperiodicity_bands: How many bands' share of noise the network predicts; one envelope then
            serves pulses and noise, and what the pulses lack in a band the noise has. 0, which is
            what configurations of before mean: two filters without regard to each other.
    """

    uses_f0 = True
    exact_padding = True

    def __init__(
        self,
        mel: MelConfig,
        dim: int = 192,
        n_layers: int = 5,
        kernel_size: int = 7,
        expansion: int = 2,
        filter_size: int = 512,
        aperiodicity_bands: int = 0,
    ) -> None:
        super().__init__(mel)
        if aperiodicity_bands < 0 or aperiodicity_bands == 1:
            raise ValueError(f"aperiodicity_bands {aperiodicity_bands} is neither 0 nor above 1")
        self.filter_size = filter_size
        self.n_bins = filter_size // 2 + 1
        # a windowed segment of two hops, convolved with a filter, fits without wrapping around
        self.fft_size = 1 << (2 * mel.hop_length + filter_size - 1).bit_length()
        self.pulses = PulseTrain(mel.fs, mel.hop_length)
        self.bands = aperiodicity_bands
        n_outputs = self.n_bins + (self.bands or self.n_bins)
        self.network = ConvNeXt(mel.n_mels + 2, n_outputs, dim, n_layers, kernel_size, expansion)
        nn.init.zeros_(self.network.output.weight)
        nn.init.zeros_(self.network.output.bias)
        if self.bands:
            with torch.no_grad():
                self.network.output.bias[self.n_bins :] = torch.linspace(*FIRST_LOGITS, self.bands)
            bands_to_bins = _bands_to_bins(mel, self.bands, self.n_bins)
            self.register_buffer("bands_to_bins", bands_to_bins, persistent=False)
        self.context_frames = self.network.context_frames + 1
        self.register_buffer(
            "to_bins", _bands_to_bins(mel, mel.n_mels, self.n_bins), persistent=False
        )
        self.register_buffer("band_level", LogMel(mel).basis.sum(1).log(), persistent=False)
        ramp = (torch.arange(mel.hop_length) + 0.5) / mel.hop_length
        window = torch.cat([ramp, ramp.flip(0)])  # neighbouring segments add up to one
        self.register_buffer("window", window, persistent=False)
        fold = torch.zeros(filter_size)
        fold[0] = fold[filter_size // 2] = 1
        fold[1 : filter_size // 2] = 2
        self.register_buffer("fold", fold, persistent=False)
        # levels in an STFT bin: of white noise of unit variance, and of one harmonic times its Hz
        # (a Hann window's main lobe is two bins wide and half its length high)
        self.noise_level = math.log(math.sqrt(mel.win_length * 3 / 8))
        self.harmonic_level = math.log(mel.win_length / 2 * mel.fs / mel.n_fft)

    def plan(self, f0: Tensor) -> Tensor:
        """See `Oscillator.plan`."""
        return self.pulses.plan(f0)

    def forward(
        self,
        mel: Tensor,
        f0: Tensor,
        mask: Tensor | None = None,
        plan: Tensor | None = None,
        start_frame: int | None = None,
    ) -> Tensor:
        parts = self.parts(mel, f0, mask, plan, start_frame)
        return parts.harmonic + parts.noise

    def parts(
        self,
        mel: Tensor,
        f0: Tensor,
        mask: Tensor | None = None,
        plan: Tensor | None = None,
        start_frame: int | None = None,
    ) -> Parts:
        """As `forward`, the harmonic and the noisy part apart."""
        B, T, _ = mel.size()
        plan = self.plan(f0) if plan is None else plan
        filled, start = plan[..., 0].to(f0.dtype), plan[..., 1]
        log_gain = self.log_gains(mel, f0, filled, mask)
        voiced = (f0 > 0).float()
        noise = frame_noise(f0, self.mel.hop_length, start_frame)
        pulses = self.pulses(filled, start)
        if mask is not None:
            # Filters cross-fade, so that a frame's reaches half a hop beyond the frame. After the
            # last real frame its own filter and silence are heard, as without padding: not what
            # the network makes of padding.
            last = (mask.sum(1, keepdim=True).long() - 1).clamp_min(0)
            frame = torch.arange(T, device=mel.device).minimum(last)
            log_gain = log_gain[torch.arange(B, device=mel.device).unsqueeze(1), frame]
            voiced = voiced.gather(1, frame)
            real = mask.repeat_interleave(self.mel.hop_length, 1)
            pulses, noise = pulses * real, noise * real
        return Parts(
            self._filter(pulses, log_gain[:, :, 0], voiced), self._filter(noise, log_gain[:, :, 1])
        )

    def log_gains(self, mel: Tensor, f0: Tensor, filled: Tensor, mask: Tensor | None) -> Tensor:
        """Natural-log gains (B, T, 2, n_bins) of the pulses' and of the noise's filter."""
        hz = filled.clamp_min(20.0)
        log_f0 = (hz.log() - LOG_F0_CENTRE).unsqueeze(-1)
        voiced = (f0 > 0).float().unsqueeze(-1)
        features = torch.cat([normalise_mel(mel), log_f0 * voiced, voiced], -1)
        envelope = (mel - self.band_level) @ self.to_bins
        correction = self.network(features, mask)
        if self.bands:
            logit = correction[..., self.n_bins :].float() @ self.bands_to_bins
            # without F0 there are no pulses, and all of the envelope is noise
            noise_power = torch.where(voiced > 0, nn.functional.logsigmoid(logit), 0.0)
            levels = torch.stack([nn.functional.logsigmoid(-logit), noise_power], 2) / 2
            levels = levels + correction[..., None, : self.n_bins]
        else:
            levels = correction.unflatten(-1, (2, self.n_bins))
        harmonic = envelope + (hz.log() - self.harmonic_level).unsqueeze(-1)
        log_gain = torch.stack([harmonic, envelope - self.noise_level], 2) + levels
        return log_gain.float().clamp(*LOG_GAIN_RANGE)  # float: its exponential is taken

    def _filter(self, source: Tensor, log_gain: Tensor, level: Tensor | None = None) -> Tensor:
        """Filter (B, N) samples by gains (B, T, n_bins), cross-faded from frame to frame.

        Args:
            source: Excitation.
            log_gain: Natural-log magnitude of each frame's response.
            level: Linear gain of each frame (B, T), where there is one.
        """
        T = log_gain.size(1)
        H = self.mel.hop_length
        cepstrum = torch.fft.irfft(log_gain, self.filter_size)
        response = torch.fft.rfft(cepstrum * self.fold, self.fft_size).exp()  # minimum phase
        if level is not None:
            response = response * level.unsqueeze(-1)
        # the first and last frame also cover the outer half hop: one more segment on each side
        response = torch.cat([response[:, :1], response, response[:, -1:]], 1)
        half = H // 2
        padded = nn.functional.pad(source, (half + H, 2 * H - half))
        segments = padded.unfold(1, 2 * H, H)[:, : T + 2] * self.window
        filtered = torch.fft.irfft(torch.fft.rfft(segments, self.fft_size) * response)
        return _overlap_add(filtered, H)[:, half + H : half + H + T * H]


def _overlap_add(segments: Tensor, hop_length: int) -> Tensor:
    """Add (B, S, L) segments at multiples of the hop: (B, (S - 1) * hop_length + L)."""
    B, S, L = segments.size()
    length = (S - 1) * hop_length + L
    return nn.functional.fold(
        segments.transpose(1, 2), (1, length), (1, L), stride=(1, hop_length)
    ).view(B, length)


def _bands_to_bins(mel: MelConfig, n_bands: int, n_bins: int) -> Tensor:
    """Linear interpolation (n_bands, n_bins) from mel bands' centres to equally spaced Hz."""
    centres = torch.from_numpy(band_edges(n_bands, mel.fmin, mel.fmax)[1:-1]).float()
    hz = torch.linspace(0, mel.fs / 2, n_bins).clamp(centres[0], centres[-1])
    upper = torch.searchsorted(centres, hz).clamp(1, n_bands - 1)
    share = (hz - centres[upper - 1]) / (centres[upper] - centres[upper - 1])
    matrix = torch.zeros(n_bands, n_bins)
    bins = torch.arange(n_bins)
    matrix[upper - 1, bins] = 1 - share
    matrix[upper, bins] += share
    return matrix
