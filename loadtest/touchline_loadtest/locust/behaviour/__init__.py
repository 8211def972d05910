"""How people behave: which rooms they watch, for how long, and when they act. Pure."""
