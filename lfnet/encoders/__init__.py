"""Encoders: a face crop, a face mesh, skin colours or sound become a vector; one file each.

An encoder of your own is a subclass of `Encoder` and one yaml in conf/encoder; `lfnet.testing.check_encoder` checks it.

Axes in names: N frames, H height, W width, C colour channels, T frames of a segment, K selected frames, D numbers of a
vector, L mesh points, B blendshapes, R regions; of sound: N samples, T windows, B bands, F frequencies.

Examples
--------
>>> from lfnet.encoders import Blendshapes
>>> from lfnet.testing.encoder_check import made_up_faces
>>> Blendshapes(translation=False).encode(made_up_faces(frames=5, crop_size=None)).shape
(5, 55)
"""

from typing import TYPE_CHECKING

from lfnet.lazy import lazy_imports

if TYPE_CHECKING:
    from lfnet.encoders.blendshapes import Blendshapes as Blendshapes
    from lfnet.encoders.egemaps import Egemaps as Egemaps
    from lfnet.encoders.encoder import Cost as Cost
    from lfnet.encoders.encoder import Encoder as Encoder
    from lfnet.encoders.encoder import SegmentEncoder as SegmentEncoder
    from lfnet.encoders.expression import Expression as Expression
    from lfnet.encoders.face_embedding import FaceEmbedding as FaceEmbedding
    from lfnet.encoders.logmel import LogMel as LogMel
    from lfnet.encoders.mobilenet import MobileNet as MobileNet
    from lfnet.encoders.onnx_audio import OnnxAudio as OnnxAudio
    from lfnet.encoders.skin import Skin as Skin
    from lfnet.encoders.sound_encoder import SoundEncoder as SoundEncoder
    from lfnet.encoders.visual import Visual as Visual
    from lfnet.encoders.visual import VisualFrames as VisualFrames
    from lfnet.encoders.visual_settings import VisualSettings as VisualSettings

_MODULES = {
    "Blendshapes": "blendshapes",
    "Cost": "encoder",
    "Egemaps": "egemaps",
    "Encoder": "encoder",
    "Expression": "expression",
    "FaceEmbedding": "face_embedding",
    "LogMel": "logmel",
    "MobileNet": "mobilenet",
    "OnnxAudio": "onnx_audio",
    "SegmentEncoder": "encoder",
    "Skin": "skin",
    "SoundEncoder": "sound_encoder",
    "Visual": "visual",
    "VisualFrames": "visual",
    "VisualSettings": "visual_settings",
}

__all__ = list(_MODULES)
__getattr__, __dir__ = lazy_imports(__name__, _MODULES)
