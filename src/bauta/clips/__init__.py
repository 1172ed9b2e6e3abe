"""Faces in videos: followed from frame to frame, protected, and judged."""

from bauta.clips.flicker import flicker
from bauta.clips.marking import MarkedClip, mark_video, trace_video
from bauta.clips.masking import WornClip, mask_video
from bauta.clips.protecting import ClipProgress, protect_video
from bauta.clips.report import ClipFace, ClipReport, ClipScore, Moment

__all__ = [
    "ClipFace",
    "ClipProgress",
    "ClipReport",
    "ClipScore",
    "MarkedClip",
    "Moment",
    "WornClip",
    "flicker",
    "mark_video",
    "mask_video",
    "protect_video",
    "trace_video",
]
