import math


def evaluate_bpb(model, batches, steps):
    """Bits per byte, so that vocabularies can be compared."""
    nats = nbytes = 0
    for _ in range(steps):
        x, y = next(batches)
        nats += model(x, y, loss_reduction="none").sum().item()
        nbytes += 4 * y.numel()
    return nats / (math.log(2) * nbytes)
