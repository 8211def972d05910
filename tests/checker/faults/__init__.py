"""Ways in which a server can break its promises, each injected into an otherwise right history."""
