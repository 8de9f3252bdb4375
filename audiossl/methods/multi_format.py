"""Multi-format contrast: two encoders learn from one clip as a spectrogram and as a waveform."""

from __future__ import annotations

from torch import Tensor

from audiossl.methods.base import At, Method, ViewPlan
from audiossl.methods.heads import build_head
from audiossl.methods.losses.contrastive import symmetric_info_nce
from audiossl.recipe.methods.multi_format import MultiFormatConfig


class MultiFormat(Method[MultiFormatConfig]):
    """Multi-format contrast (Wang and van den Oord 2021)."""

    @classmethod
    def view_plan(cls, config: MultiFormatConfig) -> ViewPlan:
        """One spectrogram and one waveform of each clip."""
        return ViewPlan(views=1, waveforms=1)

    def build(self, embedding_dim: int, n_items: int) -> None:
        """Make a projection head for each encoder."""
        self.head = build_head(self.config.head, embedding_dim)
        self.partner_head = build_head(self.config.head, self.partner.embedding_dim)  # type: ignore[arg-type]

    def loss(self, views: list[Tensor], index: Tensor, at: At) -> dict[str, Tensor]:
        """Symmetric InfoNCE between spectrograms (N, 1, F, T) and waveforms (N, 1, 1, S)."""
        spectrogram, waveform = views
        z1_ND = self.gather(self.head(self.encoder(spectrogram)))
        z2_ND = self.gather(self.partner_head(self.partner(waveform)))
        return {"loss": symmetric_info_nce(z1_ND, z2_ND, self.config.temperature)}
