"""Who may do what, and what players do: tokens' grants, verdicts, and actions on their way into the log."""
