"""Velocity network of transformer blocks (DiT, Peebles & Xie 2023): every frame sees all others."""

from typing import ClassVar

from espnet2_ext.networks.mmdit import MMDiT


class DiTVelocity(MMDiT):
    """u_theta(x_t, t | C) by the `MMDiT` without joint blocks; feed-forward layers are linear.

    Args:
        data_dim: Channels of x.
        condition_dim: Channels of the condition C, which is added to the input.
        vector_dim: Size of the utterance vector (singer), 0 for none.
        channels: Width.
        n_layers: Blocks.
        n_heads: Attention heads.
        expansion: Of the feed-forward layers.
        dropout: In attention and feed-forward layers.
        checkpointing: See `MMDiT`.
    """

    takes_text: ClassVar[bool] = False

    def __init__(
        self,
        data_dim: int,
        condition_dim: int,
        vector_dim: int = 0,
        channels: int = 192,
        n_layers: int = 4,
        n_heads: int = 4,
        expansion: int = 3,
        dropout: float = 0.0,
        checkpointing: bool = False,
    ) -> None:
        super().__init__(
            data_dim,
            condition_dim,
            vector_dim,
            channels=channels,
            n_joint=0,
            n_single=n_layers,
            n_heads=n_heads,
            expansion=expansion,
            kernel_size=1,
            modulate_frames=False,
            checkpointing=checkpointing,
            dropout=dropout,
        )
