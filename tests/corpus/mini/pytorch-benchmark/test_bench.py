"""Driver for pytest-benchmark."""
import pytest

from torchbenchmark import MODELS


@pytest.mark.benchmark(warmup=True, warmup_iterations=3, disable_gc=False)
class TestBenchNetwork:
    @pytest.mark.parametrize("name", list(MODELS))
    def test_train(self, name, benchmark):
        benchmark(MODELS[name]("train", "cpu").invoke)
