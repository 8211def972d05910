"""What a process has besides its users: command-line options, statistics, cues and the run folder."""
