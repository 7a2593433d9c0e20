import pytest
from .testserver.server import Server


@pytest.fixture
def slow_page():
    with Server(delay=10) as s:
        yield s.url
