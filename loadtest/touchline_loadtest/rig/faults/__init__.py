"""The operator's part in a load shape: at a cue, edges drain, the network breaks, goals fall."""
