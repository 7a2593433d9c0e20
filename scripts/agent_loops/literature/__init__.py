"""What papers say: asked of public catalogues, quoted as data, kept as findings of a campaign.

Judges no paper: whether it says so is the agent's to read, whether it may be tried is a gate's.
"""
