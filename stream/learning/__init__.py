"""Learning from samples of all users: River models in, snapshots that are plain data out. No I/O, no clock.

What is here is light, for those who apply snapshots and write samples. Who learns imports `stream.learning.learner`,
which brings River (and with it pandas, and scikit-learn where it is installed).
"""

from __future__ import annotations

from rules.snapshots import apply_snapshot
from stream.learning.checks import check_snapshot
from stream.learning.declared import ALGORITHMS, DeclaredLabel, DeclaredModel
from stream.learning.errors import LearningError, Refusal
from stream.learning.samples import Sample, encode_sample, parse_sample
from stream.learning.thresholds import Suggestion, suggest_thresholds, suggested_catalog

__all__ = [
    "ALGORITHMS",
    "DeclaredLabel",
    "DeclaredModel",
    "LearningError",
    "Refusal",
    "Sample",
    "Suggestion",
    "apply_snapshot",
    "check_snapshot",
    "encode_sample",
    "parse_sample",
    "suggest_thresholds",
    "suggested_catalog",
]
