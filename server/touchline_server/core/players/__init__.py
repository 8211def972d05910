"""Players: what tokens and verdicts let them do, and their actions on the way into the log."""
