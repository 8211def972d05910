"""Following whole topics without a group: `follower.Follower`."""
