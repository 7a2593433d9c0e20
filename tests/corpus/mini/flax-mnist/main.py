"""Short on purpose: the work is in train.py."""
from absl import app, flags
from ml_collections import config_flags

import train

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "Where metrics and the exported model go.")
config_flags.DEFINE_config_file("config", None, "Hyper-parameters.", lock_config=True)


def main(argv):
    train.train_and_evaluate(FLAGS.config, FLAGS.workdir)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)
