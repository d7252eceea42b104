"""Hypothesis without a time limit per example: other tests and servers share the machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if settings.get_current_profile_name() == "default":  # CI's own profile stays
    settings.load_profile("shared machine")
