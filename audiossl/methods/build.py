"""From a method's Config to the method."""

from __future__ import annotations

from typing import Any

from torch import nn

from audiossl.methods.adversarial import SsGan
from audiossl.methods.base import Method, ViewPlan
from audiossl.methods.clip import Clip
from audiossl.methods.clustering import DeepCluster, Sela, Swav
from audiossl.methods.combined import Combined
from audiossl.methods.contrastive import Cola, Npid, SimClr
from audiossl.methods.distance import DistanceWeighted, MarginContrastive, Triplet
from audiossl.methods.distillation import Byol, SimSiam
from audiossl.methods.generative import Denoising, MaskedModelling, Vae
from audiossl.methods.momentum_contrast import Moco, MocoV3
from audiossl.methods.multi_format import MultiFormat
from audiossl.methods.predictive import Cpc
from audiossl.methods.pretext import Jigsaw, Rotation, Transforms
from audiossl.methods.redundancy import BarlowTwins, VicReg
from audiossl.recipe.methods import (
    BarlowTwinsConfig,
    ByolConfig,
    ClipConfig,
    ColaConfig,
    CombinedConfig,
    CpcConfig,
    DeepClusterConfig,
    DenoisingConfig,
    DistanceWeightedConfig,
    JigsawConfig,
    MarginContrastiveConfig,
    MaskedModellingConfig,
    MethodConfig,
    MocoConfig,
    MocoV3Config,
    MultiFormatConfig,
    NpidConfig,
    RotationConfig,
    SelaConfig,
    SimClrConfig,
    SimSiamConfig,
    SsGanConfig,
    SwavConfig,
    TransformsConfig,
    TripletConfig,
    VaeConfig,
    VicRegConfig,
)

METHODS: dict[type[Any], type[Method[Any]]] = {
    SimClrConfig: SimClr,
    NpidConfig: Npid,
    ColaConfig: Cola,
    MarginContrastiveConfig: MarginContrastive,
    TripletConfig: Triplet,
    DistanceWeightedConfig: DistanceWeighted,
    ClipConfig: Clip,
    CpcConfig: Cpc,
    MultiFormatConfig: MultiFormat,
    BarlowTwinsConfig: BarlowTwins,
    ByolConfig: Byol,
    SimSiamConfig: SimSiam,
    SwavConfig: Swav,
    DeepClusterConfig: DeepCluster,
    SelaConfig: Sela,
    DenoisingConfig: Denoising,
    MaskedModellingConfig: MaskedModelling,
    VaeConfig: Vae,
    SsGanConfig: SsGan,
    RotationConfig: Rotation,
    TransformsConfig: Transforms,
    VicRegConfig: VicReg,
    JigsawConfig: Jigsaw,
    MocoConfig: Moco,
    MocoV3Config: MocoV3,
    CombinedConfig: Combined,
}


def build_method(
    config: MethodConfig, encoder: nn.Module, embedding_dim: int, n_items: int, partner: nn.Module | None = None
) -> Method[Any]:
    """The method `config` names, around `encoder`, with fresh heads drawn from torch's global generator."""
    return METHODS[type(config)](config, encoder, embedding_dim, n_items, partner)


def view_plan(config: MethodConfig) -> ViewPlan:
    """What the method `config` names asks of the modality."""
    return METHODS[type(config)].view_plan(config)
