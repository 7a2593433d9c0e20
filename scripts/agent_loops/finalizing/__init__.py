"""From a campaign to a branch that a person can review: kept ideas as commits, and their text."""
