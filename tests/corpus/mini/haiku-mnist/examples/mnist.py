"""Smallest complete classifier."""
from absl import app
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tensorflow_datasets as tfds

NUM_CLASSES = 10


def net_fn(images):
    return hk.nets.MLP([300, 100, NUM_CLASSES])(hk.Flatten()(images.astype(jnp.float32) / 255.0))


def load_dataset(split, *, shuffle, batch_size):
    ds = tfds.load("mnist:3.*.*", split=split).cache()
    if shuffle:
        ds = ds.shuffle(60_000, seed=0)
    return iter(tfds.as_numpy(ds.repeat().batch(batch_size)))


def main(_):
    plain = hk.transform(net_fn)
    network = hk.without_apply_rng(plain)
    optimiser = optax.adam(1e-3)

    def loss(params, batch):
        hits = jax.nn.one_hot(batch["label"], NUM_CLASSES) * jax.nn.log_softmax(network.apply(params, batch["image"]))
        return -hits.sum() / len(batch["label"])

    @jax.jit
    def evaluate(params, batch):
        return jnp.mean(network.apply(params, batch["image"]).argmax(-1) == batch["label"])

    @jax.jit
    def update(params, avg, opt_state, batch):
        step, opt_state = optimiser.update(jax.grad(loss)(params, batch), opt_state)
        params = optax.apply_updates(params, step)
        return params, optax.incremental_update(params, avg, step_size=0.001), opt_state

    feed = load_dataset("train", shuffle=True, batch_size=1000)
    checks = {s: load_dataset(s, shuffle=False, batch_size=10_000) for s in ("train", "test")}
    params = avg = network.init(jax.random.PRNGKey(seed=0), next(feed)["image"])
    opt_state = optimiser.init(params)
    for step in range(3001):
        if step % 100 == 0:
            for split, dataset in checks.items():
                accuracy = np.array(evaluate(avg, next(dataset))).item()
                print({"step": step, "split": split, "accuracy": f"{accuracy:.3f}"})
        params, avg, opt_state = update(params, avg, opt_state, next(feed))


if __name__ == "__main__":
    app.run(main)
