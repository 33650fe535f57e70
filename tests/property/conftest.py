"""Hypothesis profiles: `ci` (the default) is bounded and draws the same each time; TAGSTREAM_HYPOTHESIS=deep."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)  # explaining takes longer than all the rest

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=100,
    database=None,
    phases=_PHASES,
    suppress_health_check=_SLOW_IS_FINE,
)
settings.register_profile("deep", deadline=None, max_examples=3000, phases=_PHASES, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile(os.environ.get("TAGSTREAM_HYPOTHESIS", "ci"))
