"""Methods: everything between views and a loss, one file of Configs per family."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from audiossl.recipe.methods.base import HeadSpec, MethodBase
from audiossl.recipe.methods.clip import ClipConfig
from audiossl.recipe.methods.clustering import DeepClusterConfig, SelaConfig, SwavConfig
from audiossl.recipe.methods.combined import CombinedConfig, Part
from audiossl.recipe.methods.contrastive import ColaConfig, NpidConfig, SimClrConfig
from audiossl.recipe.methods.distance import DistanceWeightedConfig, MarginContrastiveConfig, TripletConfig
from audiossl.recipe.methods.distillation import ByolConfig, SimSiamConfig
from audiossl.recipe.methods.generative import DenoisingConfig, MaskedModellingConfig, SsGanConfig, VaeConfig
from audiossl.recipe.methods.momentum_contrast import MocoConfig, MocoV3Config
from audiossl.recipe.methods.multi_format import MultiFormatConfig
from audiossl.recipe.methods.predictive import CpcConfig
from audiossl.recipe.methods.pretext import JigsawConfig, RotationConfig, TransformsConfig
from audiossl.recipe.methods.redundancy import BarlowTwinsConfig, VicRegConfig

SingleMethod = (
    SimClrConfig
    | NpidConfig
    | ColaConfig
    | MocoConfig
    | MocoV3Config
    | CpcConfig
    | MultiFormatConfig
    | ClipConfig
    | MarginContrastiveConfig
    | TripletConfig
    | DistanceWeightedConfig
    | BarlowTwinsConfig
    | VicRegConfig
    | ByolConfig
    | SimSiamConfig
    | SwavConfig
    | DeepClusterConfig
    | SelaConfig
    | RotationConfig
    | TransformsConfig
    | JigsawConfig
    | DenoisingConfig
    | MaskedModellingConfig
    | VaeConfig
    | SsGanConfig
)
SingleMethodConfig = Annotated[SingleMethod, Field(discriminator="name")]
"""Any method but a combined one."""
MethodConfig = Annotated[SingleMethod | CombinedConfig, Field(discriminator="name")]

Part.model_rebuild()
CombinedConfig.model_rebuild()

__all__ = [
    "BarlowTwinsConfig",
    "ByolConfig",
    "ClipConfig",
    "ColaConfig",
    "CombinedConfig",
    "CpcConfig",
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
    "Part",
    "RotationConfig",
    "SelaConfig",
    "SimClrConfig",
    "SimSiamConfig",
    "SingleMethodConfig",
    "SsGanConfig",
    "SwavConfig",
    "TransformsConfig",
    "TripletConfig",
    "VaeConfig",
    "VicRegConfig",
]
