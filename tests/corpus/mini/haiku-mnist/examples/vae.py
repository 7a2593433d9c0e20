"""Variational auto-encoder; logs through absl."""
from absl import app, flags, logging

flags.DEFINE_integer("training_steps", 5000, "steps")


def main(_):
    for step in range(flags.FLAGS.training_steps):
        elbo = 0.0
        logging.info({"step": step, "elbo": f"{elbo:.3f}"})


if __name__ == "__main__":
    app.run(main)
