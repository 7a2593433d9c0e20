import pytest
from cattrs import BaseConverter, Converter


@pytest.mark.parametrize("converter_cls", [BaseConverter, Converter])
def test_unstructure_int(benchmark, converter_cls):
    benchmark(converter_cls().unstructure, 5)
