"""Which rooms of a wing belong together: the one place that names a wing.

Whoever holds a recipe asks `modality_of(recipe)`; whoever holds data asks `MODALITIES` by the manifest's word. Nobody
below or above asks whether an example is a sound or a picture. Heavy rooms are imported when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audiossl.errors import UsageError
from audiossl.media import Clips, Excerpt, Plain, Reader, Seen, Window
from audiossl.recipe.schema import EmbeddingConfig, Recipe

if TYPE_CHECKING:
    from torch import nn

    from audiossl.encoders.base import Encoder
    from audiossl.encoders.text import TextEncoder
    from audiossl.views.base import Views

Kind = Literal["audio", "image"]
"""A modality's name."""


@dataclass(frozen=True)
class Modality:
    """One wing.

    Attributes:
        name: as recipes and manifests write it.
        noun: what a file of it is called.
        suffixes: by which files are found; what a file is, is told by its content.
        channels: that its front end gives.
        look: (file, whether to decode it) -> what there is to tell of it; raises `MediaError`.
        summarise: (looks by path, whether files were decoded) -> what there is to tell of all.
        make_set: (folder, how many, seed) -> the table of a made-up set, written there.
        duration_s: seconds of a file, from its header, and 0 for what has no length in time; raises `MediaError`.
        decoded_bytes: (recipe, files, seconds of all together) -> what they take as they are stored for training.
        content: the bytes of an example as it was decoded, (recipe, file, start, end) -> bytes, the same for two files
            that hold the same.
        rate: samples per second that its front end wants; None for what has no length in time.
        reader: (recipe, how to cut windows, what samples that are not finite do) -> `Reader`; raises `UsageError`.
        windows: (recipe, example in memory, its rate, how to cut windows or None) -> its windows; raises `UsageError`.
        excerpt: (file, start, end) -> that part of it as a file of its own; raises `MediaError`.
        plain: () -> features without learning, which stand beside every score.
        clips: (recipe, front end, frames of a crop or None) -> `Clips`.
        build_frontend: (recipe) -> the front end.
        build_views: (recipe, statistics) -> its views.
    """

    name: Kind
    noun: str
    suffixes: frozenset[str]
    channels: int
    look: Callable[[Path, bool], Any]
    summarise: Callable[[Mapping[str, Any], bool], Seen]
    make_set: Callable[[Path, int, int], Path]
    duration_s: Callable[[Path], float]
    decoded_bytes: Callable[[Recipe, int, float], int]
    content: Callable[[Recipe, Path, float | None, float | None], bytes]
    rate: Callable[[Recipe], int | None]
    reader: Callable[[Recipe, Any, Any], Reader]
    windows: Callable[[Recipe, Any, int | None, Any], list[Window]]
    excerpt: Callable[[Path, float | None, float | None], Excerpt]
    plain: Callable[[], Sequence[Plain]]
    clips: Callable[[Recipe, Any, int | None], Clips]
    build_frontend: Callable[[Recipe], nn.Module]
    build_views: Callable[[Recipe, Any], Views]

    @property
    def nouns(self) -> str:
        """Of several files."""
        return f"{self.noun}s"

    def build_encoder(self, recipe: Recipe) -> Encoder:
        """The encoder of `recipe`, its weights from torch's global random state (raises `RecipeError`)."""
        from audiossl.encoders.build import build_encoder

        return build_encoder(recipe.encoder, recipe.frontend.bands, self.channels)

    def build_partner(self, recipe: Recipe) -> Encoder | TextEncoder | None:
        """The second encoder that the method of `recipe` asks for, if it does."""
        from audiossl.encoders.build import build_encoder

        partner = getattr(recipe.method, "partner", None)
        return None if partner is None else build_encoder(partner, recipe.frontend.bands, self.channels)


def _look_at_sound(path: Path, verify: bool) -> Any:
    from audiossl.audio.look import look

    return look(path, verify)


def _summarise_sounds(looks: Mapping[str, Any], verified: bool) -> Seen:
    from audiossl.audio.look import summarise

    return summarise(looks, verified)


def _make_sounds(folder: Path, n: int, seed: int) -> Path:
    from audiossl.audio.synth import make_sounds

    return make_sounds(folder, n, seed)


def _sound_duration_s(path: Path) -> float:
    from audiossl.audio.decode import probe

    return probe(path).duration_s


def _sound_bytes(recipe: Recipe, count: int, duration_s: float) -> int:
    return round(2 * recipe.frontend.sample_rate * duration_s)


def _sound_content(recipe: Recipe, path: Path, start_s: float | None, end_s: float | None) -> bytes:
    from audiossl.audio.decode import decode_part

    return decode_part(path, recipe.frontend.sample_rate, start_s, end_s, nonfinite="zero").samples.tobytes()


def _sound_rate(recipe: Recipe) -> int:
    return recipe.frontend.sample_rate


def _sound_reader(recipe: Recipe, embedding: EmbeddingConfig, nonfinite: Any) -> Reader:
    from audiossl.audio.reading import SoundReader

    return SoundReader(recipe.frontend.sample_rate, embedding, nonfinite)


def _sound_windows(
    recipe: Recipe, example: Any, sample_rate: int | None, embedding: EmbeddingConfig | None
) -> list[Window]:
    from audiossl.audio.windows import cut, mono

    rate = recipe.frontend.sample_rate
    return cut(mono(example, sample_rate, rate), rate, embedding or recipe.embedding)


def _sound_excerpt(path: Path, start_s: float | None, end_s: float | None) -> Excerpt:
    from audiossl.audio.excerpt import excerpt

    return excerpt(path, start_s, end_s)


def _sound_plain() -> Sequence[Plain]:
    from audiossl.audio.statistics import PLAIN

    return PLAIN


def _sound_clips(recipe: Recipe, frontend: Any, frames: int | None = None) -> Clips:
    from audiossl.audio.clips import SoundClips

    return SoundClips(recipe, frontend, frames)


def _sound_frontend(recipe: Recipe) -> nn.Module:
    from audiossl.audio.frontend import build_frontend

    return build_frontend(recipe.frontend)


def _sound_views(recipe: Recipe, statistics: Any) -> Views:
    from audiossl.audio.views.build import build_views

    front = recipe.frontend
    return build_views(recipe.views, sample_rate=front.sample_rate, log=front.log, statistics=statistics)


def _look_at_picture(path: Path, verify: bool) -> Any:
    from audiossl.image.look import look

    return look(path, verify)


def _summarise_pictures(looks: Mapping[str, Any], verified: bool) -> Seen:
    from audiossl.image.look import summarise

    return summarise(looks, verified)


def _make_pictures(folder: Path, n: int, seed: int) -> Path:
    from audiossl.image.synth import make_images

    return make_images(folder, n, seed)


def _picture_duration_s(path: Path) -> float:
    from audiossl.image.decode import probe

    probe(path)
    return 0.0


def _picture_bytes(recipe: Recipe, count: int, duration_s: float) -> int:
    return int(3 * recipe.frontend.bands**2 * count)


def _picture_content(recipe: Recipe, path: Path, start_s: float | None, end_s: float | None) -> bytes:
    from audiossl.image.decode import decode

    pixels = decode(path).pixels
    return np.array(pixels.shape).tobytes() + pixels.tobytes()


def _picture_rate(recipe: Recipe) -> None:
    return None


def _picture_reader(recipe: Recipe, embedding: Any, nonfinite: Any) -> Reader:
    from audiossl.image.reading import PictureReader

    if nonfinite != "error":
        raise UsageError(f"the model embeds pictures, which have no samples; leave --nonfinite {nonfinite} out")
    return PictureReader(recipe.frontend.bands)


def _picture_windows(recipe: Recipe, example: Any, sample_rate: int | None, embedding: Any) -> list[Window]:
    from audiossl.image.reading import window_of

    return [window_of(example)]


def _picture_excerpt(path: Path, start_s: float | None, end_s: float | None) -> Excerpt:
    from audiossl.image.excerpt import excerpt

    return excerpt(path, start_s, end_s)


def _picture_plain() -> Sequence[Plain]:
    from audiossl.image.statistics import PLAIN

    return PLAIN


def _picture_clips(recipe: Recipe, frontend: Any, frames: int | None = None) -> Clips:
    from audiossl.image.clips import PictureClips

    return PictureClips(recipe, frontend)


def _picture_frontend(recipe: Recipe) -> nn.Module:
    from audiossl.image.frontend import build_frontend

    return build_frontend(recipe.frontend)  # type: ignore[arg-type]


def _picture_views(recipe: Recipe, statistics: Any) -> Views:
    from audiossl.image.views.build import build_views

    return build_views(recipe.views, statistics=statistics)  # type: ignore[arg-type]


AUDIO = Modality(
    name="audio",
    noun="sound",
    suffixes=frozenset(
        {
            *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
            *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"),
        }
    ),
    channels=1,
    look=_look_at_sound,
    summarise=_summarise_sounds,
    make_set=_make_sounds,
    duration_s=_sound_duration_s,
    decoded_bytes=_sound_bytes,
    content=_sound_content,
    rate=_sound_rate,
    reader=_sound_reader,
    windows=_sound_windows,
    excerpt=_sound_excerpt,
    plain=_sound_plain,
    clips=_sound_clips,
    build_frontend=_sound_frontend,
    build_views=_sound_views,
)
IMAGE = Modality(
    name="image",
    noun="picture",
    suffixes=frozenset(
        {
            *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
            *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif"),
        }
    ),
    channels=3,
    look=_look_at_picture,
    summarise=_summarise_pictures,
    make_set=_make_pictures,
    duration_s=_picture_duration_s,
    decoded_bytes=_picture_bytes,
    content=_picture_content,
    rate=_picture_rate,
    reader=_picture_reader,
    windows=_picture_windows,
    excerpt=_picture_excerpt,
    plain=_picture_plain,
    clips=_picture_clips,
    build_frontend=_picture_frontend,
    build_views=_picture_views,
)

MODALITIES: dict[str, Modality] = {modality.name: modality for modality in (AUDIO, IMAGE)}


def modality_of(recipe: Recipe) -> Modality:
    """The modality that `recipe` names."""
    return MODALITIES[recipe.modality]


def modality_named(name: str | None) -> Modality:
    """The modality that a file names; files that name none are from before there was a second."""
    return MODALITIES[name or AUDIO.name]
