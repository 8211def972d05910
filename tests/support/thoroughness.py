"""How many examples Hypothesis tries: few, and the same each time, unless ``--hypothesis-profile=long`` is given.

A run of the gate is to depend on the code alone. `make test-all` looks for new examples, and for many more.
"""

from hypothesis import settings

PROFILE_EXAMPLES = {"gate": 50, "long": 1000}

# No deadline: an example is as slow as the machine is busy.
settings.register_profile("gate", max_examples=PROFILE_EXAMPLES["gate"], deadline=None, derandomize=True)
settings.register_profile("long", max_examples=PROFILE_EXAMPLES["long"], deadline=None)
settings.load_profile("gate")


def examples(times: float) -> int:
    """How many examples a test gets that needs ``times`` as many as others."""
    return round(settings().max_examples * times)
