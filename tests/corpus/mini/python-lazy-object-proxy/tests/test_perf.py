import pytest
from delayed import Proxy


@pytest.mark.parametrize("name", ["slots", "simple"])
def test_perf(benchmark, name):
    assert benchmark(str, Proxy(lambda: name)) == name


def test_proto(benchmark, kind):
    benchmark(str, Proxy(lambda: kind))
