"""A small byte-level language model in numpy, trained for a fixed time. This is the file to edit.

The model (Bengio et al., 2003): the last CONTEXT bytes are embedded, laid side by side, and passed
through DEPTH hidden layers to the logits of the next byte. The backward pass is written by hand.
Trains for prepare.TIME_BUDGET seconds, then prints val_bpb, bits per byte: lower is better.
"""

import os
import time

_STARTED_S = time.monotonic()
# One thread: a run must not slow its neighbours down. Read once, when numpy is imported.
for _library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"

import resource  # noqa: E402  (numpy, and with it prepare, must come after the thread counts)
import sys  # noqa: E402

import numpy as np  # noqa: E402
import prepare  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

# --- Knobs --------------------------------------------------------------------------------------

# Model
CONTEXT = 3  # bytes seen before the one predicted, at most prepare.MAX_CONTEXT
EMBED_DIM = 6  # numbers per embedded byte
WIDTH = 32  # units per hidden layer
DEPTH = 1  # hidden layers
INIT_SCALE = 1.0  # standard deviation of a weight = INIT_SCALE / sqrt(inputs)
DTYPE = np.float32  # of weights, activations and gradients

# Optimization
BATCH_SIZE = 64  # windows per step
LEARNING_RATE = 1.5  # at its highest
MOMENTUM = 0.0  # share of the previous step that is carried on
WEIGHT_DECAY = 1e-3  # pull of every weight towards zero
GRAD_CLIP = 1.0  # the longest gradient that is followed unshortened
WARMUP = 0.0  # share of the time budget in which the learning rate rises from zero
WARMDOWN = 0.0  # share of the time budget in which it falls to zero

# Regularization
DROPOUT = 0.15  # share of hidden units silenced in each step
LABEL_SMOOTHING = 0.1  # share of the target's probability that is spread over all bytes

PROGRESS_EVERY = 50  # steps between two updates of the progress line

Array = NDArray[np.floating]
Weights = dict[str, Array]  # by name; views into one flat vector

# --- Model --------------------------------------------------------------------------------------


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Name → shape of every weight. Matrices are (inputs, outputs)."""
    shapes: dict[str, tuple[int, ...]] = {"embedding": (prepare.VOCAB_SIZE, EMBED_DIM)}
    inputs = CONTEXT * EMBED_DIM
    for layer in range(DEPTH):
        shapes[f"hidden{layer}"] = (inputs, WIDTH)
        shapes[f"bias{layer}"] = (WIDTH,)
        inputs = WIDTH
    shapes["output"] = (inputs, prepare.VOCAB_SIZE)
    shapes["output_bias"] = (prepare.VOCAB_SIZE,)
    return shapes


def named_views(flat: Array) -> Weights:
    """The weights of `weight_shapes` as views into one flat vector, which is what is optimized."""
    views, start = {}, 0
    for name, shape in weight_shapes().items():
        size = int(np.prod(shape))
        views[name] = flat[start : start + size].reshape(shape)
        start += size
    return views


def new_weights(rng: np.random.Generator) -> Array:
    """A fresh flat vector of weights: normal, scaled by INIT_SCALE / sqrt(inputs); biases zero."""
    flat = np.zeros(sum(int(np.prod(shape)) for shape in weight_shapes().values()), DTYPE)
    for name, weight in named_views(flat).items():
        if name == "embedding":
            weight[:] = rng.standard_normal(weight.shape)
        elif weight.ndim == 2:
            weight[:] = INIT_SCALE / np.sqrt(len(weight)) * rng.standard_normal(weight.shape)
    return flat


def activation(x: Array) -> Array:
    return np.tanh(x)


def activation_slope(y: Array) -> Array:
    """The derivative of `activation`, as a function of its output."""
    return 1 - y * y


def forward(
    weights: Weights, contexts: prepare.Tokens, rng: np.random.Generator | None
) -> tuple[Array, list[Array], list[Array]]:
    """Contexts (batch, CONTEXT) → logits (batch, VOCAB_SIZE), each layer's input, dropout masks.

    `rng` draws the masks, one for each hidden layer; None turns dropout off and gives no masks.
    """
    inputs = [weights["embedding"][contexts].reshape(len(contexts), -1)]
    masks: list[Array] = []
    for layer in range(DEPTH):
        hidden = activation(inputs[-1] @ weights[f"hidden{layer}"] + weights[f"bias{layer}"])
        if rng is not None and DROPOUT > 0:
            masks.append((rng.random(hidden.shape, np.float32) >= DROPOUT) / DTYPE(1 - DROPOUT))
            hidden = hidden * masks[-1]
        inputs.append(hidden)
    logits = inputs[-1] @ weights["output"] + weights["output_bias"]
    return logits, inputs, masks


def loss_and_gradient(
    weights: Weights,
    gradient: Weights,
    contexts: prepare.Tokens,
    targets: prepare.Tokens,
    rng: np.random.Generator | None,
) -> float:
    """Mean label-smoothed cross-entropy of a batch, in nats per byte. Overwrites `gradient`.

    Contexts are (batch, CONTEXT), targets (batch,); `rng` as in `forward`.
    """
    logits, inputs, masks = forward(weights, contexts, rng)
    batch = np.arange(len(targets))
    logits -= logits.max(axis=1, keepdims=True)
    probabilities = np.exp(logits)
    total = probabilities.sum(axis=1, keepdims=True)
    probabilities /= total
    log_probabilities = logits - np.log(total)
    of_target, of_all = log_probabilities[batch, targets].mean(), log_probabilities.mean()
    loss = -(1 - LABEL_SMOOTHING) * of_target - LABEL_SMOOTHING * of_all

    # Softmax and cross-entropy together: probabilities less the (smoothed) target.
    delta = probabilities
    delta[batch, targets] -= 1 - LABEL_SMOOTHING
    delta -= LABEL_SMOOTHING / prepare.VOCAB_SIZE
    delta /= len(targets)
    gradient["output"][:] = inputs[-1].T @ delta
    gradient["output_bias"][:] = delta.sum(axis=0)
    delta = delta @ weights["output"].T
    for layer in reversed(range(DEPTH)):
        hidden = inputs[layer + 1]
        if masks:
            delta = delta * masks[layer]
            hidden = hidden * (1 - DROPOUT)  # what the activation gave, wherever delta is not zero
        delta = delta * activation_slope(hidden)
        gradient[f"hidden{layer}"][:] = inputs[layer].T @ delta
        gradient[f"bias{layer}"][:] = delta.sum(axis=0)
        delta = delta @ weights[f"hidden{layer}"].T
    gradient["embedding"][:] = 0
    np.add.at(gradient["embedding"], contexts.ravel(), delta.reshape(-1, EMBED_DIM))
    return float(loss)


# --- Optimization -------------------------------------------------------------------------------


def schedule(progress: float) -> float:
    """The share of LEARNING_RATE to use after a share `progress` of the time budget."""
    if progress < WARMUP:
        return progress / WARMUP
    if progress > 1 - WARMDOWN:
        return max(0.0, (1 - progress) / WARMDOWN)
    return 1.0


class Optimizer:
    """Stochastic gradient descent with momentum, on one flat vector."""

    def __init__(self, flat: Array) -> None:
        self.velocity = np.zeros_like(flat)

    def step(self, flat: Array, gradient: Array, share: float) -> None:
        """Moves `flat` in place against `gradient`; `share` is what `schedule` says."""
        gradient += WEIGHT_DECAY * flat
        length = float(np.sqrt(gradient @ gradient))
        if length > GRAD_CLIP:
            gradient *= GRAD_CLIP / length
        self.velocity = MOMENTUM * self.velocity + gradient
        flat -= LEARNING_RATE * share * self.velocity


def train(rng: np.random.Generator) -> tuple[Weights, int, float]:
    """Trains until the time budget is used up. → weights, steps, seconds.

    Where the loss diverges there is nothing to evaluate: says FAIL and exits 1.
    """
    flat = new_weights(rng)
    gradient = np.zeros_like(flat)
    weights, gradient_views = named_views(flat), named_views(gradient)
    optimizer = Optimizer(flat)
    started_s = time.monotonic()
    step, elapsed_s, smooth_loss = 0, 0.0, float("nan")
    while elapsed_s < prepare.TIME_BUDGET:
        progress = elapsed_s / prepare.TIME_BUDGET
        contexts, targets = prepare.sample_batch(rng, BATCH_SIZE, CONTEXT)
        loss = loss_and_gradient(weights, gradient_views, contexts, targets, rng)
        if not loss < 100:  # also true of NaN
            print("\nFAIL", flush=True)
            sys.exit(1)
        optimizer.step(flat, gradient, schedule(progress))
        smooth_loss = loss if step == 0 else 0.95 * smooth_loss + 0.05 * loss
        step += 1
        elapsed_s = time.monotonic() - started_s
        if step % PROGRESS_EVERY == 0:
            print(
                f"\rstep {step:05d} ({100 * progress:.1f}%) | loss: {smooth_loss:.4f} | "
                f"dt: {1000 * elapsed_s / step:.2f}ms ",
                end="",
                flush=True,
            )
    print(flush=True)
    return weights, step, elapsed_s


# --- One run ------------------------------------------------------------------------------------


def main() -> None:
    seed = os.environ.get("AGENT_LOOPS_SEED")
    # Without a seed from outside every run differs: repeats show how much a result owes to luck.
    rng = np.random.default_rng(int(seed) if seed else None)
    weights, steps, training_s = train(rng)
    val_bpb = prepare.evaluate_bpb(lambda seen: forward(weights, seen[:, -CONTEXT:], None)[0])
    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak_rss if sys.platform == "darwin" else 1024 * peak_rss
    print("---")
    print(f"val_bpb:          {val_bpb:.6f}")
    print(f"training_seconds: {training_s:.1f}")
    print(f"total_seconds:    {time.monotonic() - _STARTED_S:.1f}")
    print(f"peak_memory_mb:   {peak_bytes / 2**20:.1f}")
    print(f"num_steps:        {steps}")
    print(f"num_params_M:     {sum(weight.size for weight in weights.values()) / 1e6:.4f}")
    print(f"depth:            {DEPTH}")


if __name__ == "__main__":
    main()
