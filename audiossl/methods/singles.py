"""Every method but a combined one, by its Config."""

from __future__ import annotations

from typing import Any

from audiossl.methods.adversarial import SsGan
from audiossl.methods.base import Method
from audiossl.methods.clip import Clip
from audiossl.methods.clustering import DeepCluster, Sela, Swav
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
    CpcConfig,
    DeepClusterConfig,
    DenoisingConfig,
    DistanceWeightedConfig,
    JigsawConfig,
    MarginContrastiveConfig,
    MaskedModellingConfig,
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

SINGLE: dict[type[Any], type[Method[Any]]] = {
    SimClrConfig: SimClr,
    NpidConfig: Npid,
    ColaConfig: Cola,
    MocoConfig: Moco,
    MocoV3Config: MocoV3,
    CpcConfig: Cpc,
    MultiFormatConfig: MultiFormat,
    ClipConfig: Clip,
    MarginContrastiveConfig: MarginContrastive,
    TripletConfig: Triplet,
    DistanceWeightedConfig: DistanceWeighted,
    BarlowTwinsConfig: BarlowTwins,
    VicRegConfig: VicReg,
    ByolConfig: Byol,
    SimSiamConfig: SimSiam,
    SwavConfig: Swav,
    DeepClusterConfig: DeepCluster,
    SelaConfig: Sela,
    RotationConfig: Rotation,
    TransformsConfig: Transforms,
    JigsawConfig: Jigsaw,
    DenoisingConfig: Denoising,
    MaskedModellingConfig: MaskedModelling,
    VaeConfig: Vae,
    SsGanConfig: SsGan,
}
