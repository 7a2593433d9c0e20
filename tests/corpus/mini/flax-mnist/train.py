from absl import logging
from flax import nnx
from flax.metrics import tensorboard
import optax
import tensorflow as tf
import tensorflow_datasets as tfds

tf.random.set_seed(0)


class CNN(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 32, kernel_size=(3, 3), rngs=rngs)
        self.out = nnx.Linear(25088, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.conv(x)).reshape(x.shape[0], -1))


def loss_fn(model, batch):
    logits = model(batch["image"])
    return optax.softmax_cross_entropy_with_integer_labels(logits=logits, labels=batch["label"]).mean(), logits


@nnx.jit
def train_step(model, optimizer, metrics, batch):
    (loss, logits), grads = nnx.value_and_grad(loss_fn, has_aux=True)(model, batch)
    metrics.update(loss=loss, logits=logits, labels=batch["label"])
    optimizer.update(model, grads)


@nnx.jit
def eval_step(model, metrics, batch):
    loss, logits = loss_fn(model, batch)
    metrics.update(loss=loss, logits=logits, labels=batch["label"])


def get_datasets(config):
    """Both parts use the same batch size and drop what is left over."""
    return tuple(tfds.load("mnist", split=s).batch(config.batch_size, drop_remainder=True) for s in ("train", "test"))


def train_and_evaluate(config, workdir):
    train_ds, test_ds = get_datasets(config)
    model = CNN(nnx.Rngs(0))
    writer = tensorboard.SummaryWriter(workdir)
    optimizer = nnx.Optimizer(model, optax.sgd(config.learning_rate, config.momentum), wrt=nnx.Param)
    metrics = nnx.MultiMetric(accuracy=nnx.metrics.Accuracy(), loss=nnx.metrics.Average("loss"))
    for epoch in range(1, config.num_epochs + 1):
        seen = {}
        for part, ds in (("train", train_ds), ("test", test_ds)):
            for batch in ds.as_numpy_iterator():
                train_step(model, optimizer, metrics, batch) if part == "train" else eval_step(model, metrics, batch)
            seen[part] = metrics.compute()
            metrics.reset()
            for k, v in seen[part].items():
                writer.scalar(f"{part}_{k}", v, epoch)
        logging.info(
            "epoch:% 3d, train_loss: %.4f, train_accuracy: %.2f, test_loss: %.4f, test_accuracy: %.2f",
            epoch, seen["train"]["loss"], seen["train"]["accuracy"] * 100, seen["test"]["loss"], seen["test"]["accuracy"] * 100)
    writer.flush()
