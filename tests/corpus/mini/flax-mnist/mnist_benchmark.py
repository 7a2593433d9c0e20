"""Benchmark for the example (runs in a test set-up)."""
import tempfile

from absl.testing import absltest
from flax.testing import Benchmark

import main
from configs import default


class MnistBenchmark(Benchmark):
    def test_cpu(self):
        main.FLAGS.workdir, main.FLAGS.config = tempfile.mkdtemp(), default.get_config()
        main.main([])
        steps, _, eval_accuracy = zip(*self.read_summaries(main.FLAGS.workdir)["eval_accuracy"])
        self.assertBetween(eval_accuracy[-1], 0.98, 1.0)
        self.report_metrics({"accuracy": eval_accuracy[-1]})


if __name__ == "__main__":
    absltest.main()
