"""How many examples Hypothesis tries: few, and the same every time, unless ``--hypothesis-profile=long`` is given.

The result of the gate should depend on nothing but the code. `make test-all` looks for new examples, and many more.
"""

from hypothesis import settings

PROFILE_EXAMPLES = {"gate": 50, "long": 1000}

# No deadline: on a busy machine, any example can be slow.
settings.register_profile("gate", max_examples=PROFILE_EXAMPLES["gate"], deadline=None, derandomize=True)
settings.register_profile("long", max_examples=PROFILE_EXAMPLES["long"], deadline=None)
settings.load_profile("gate")


def examples(times: float) -> int:
    """The number of examples for a test that needs ``times`` as many as others."""
    return round(settings().max_examples * times)
