"""Methods: everything between views and a loss, one file of Configs per family."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audiossl.recipe.methods.base import HeadSpec, MethodBase
from audiossl.recipe.methods.clip import ClipConfig
from audiossl.recipe.methods.clustering import DeepClusterConfig, SelaConfig, SwavConfig
from audiossl.recipe.methods.contrastive import ColaConfig, NpidConfig, SimClrConfig
from audiossl.recipe.methods.distance import DistanceWeightedConfig, MarginContrastiveConfig, TripletConfig
from audiossl.recipe.methods.distillation import ByolConfig, SimSiamConfig
from audiossl.recipe.methods.generative import DenoisingConfig, MaskedModellingConfig, SsGanConfig, VaeConfig
from audiossl.recipe.methods.momentum_contrast import MocoConfig, MocoV3Config
from audiossl.recipe.methods.multi_format import MultiFormatConfig
from audiossl.recipe.methods.predictive import CpcConfig
from audiossl.recipe.methods.pretext import JigsawConfig, RotationConfig, TransformsConfig
from audiossl.recipe.methods.redundancy import BarlowTwinsConfig, VicRegConfig

MethodConfig = Annotated[
    SimClrConfig
    | NpidConfig
    | ColaConfig
    | MarginContrastiveConfig
    | TripletConfig
    | DistanceWeightedConfig
    | ClipConfig
    | CpcConfig
    | MultiFormatConfig
    | BarlowTwinsConfig
    | ByolConfig
    | SimSiamConfig
    | RotationConfig
    | TransformsConfig
    | VicRegConfig
    | SwavConfig
    | DeepClusterConfig
    | SelaConfig
    | MocoConfig
    | MocoV3Config
    | DenoisingConfig
    | MaskedModellingConfig
    | SsGanConfig
    | VaeConfig
    | JigsawConfig,
    Field(discriminator="name"),
]

__all__ = [
    "BarlowTwinsConfig",
    "ByolConfig",
    "ClipConfig",
    "CpcConfig",
    "ColaConfig",
    "DeepClusterConfig",
    "DenoisingConfig",
    "DistanceWeightedConfig",
    "HeadSpec",
    "JigsawConfig",
    "MarginContrastiveConfig",
    "MaskedModellingConfig",
    "MethodBase",
    "MethodConfig",
    "MocoConfig",
    "MocoV3Config",
    "MultiFormatConfig",
    "NpidConfig",
    "RotationConfig",
    "SelaConfig",
    "SimClrConfig",
    "SimSiamConfig",
    "SsGanConfig",
    "SwavConfig",
    "TransformsConfig",
    "TripletConfig",
    "VaeConfig",
    "VicRegConfig",
]
