import pytest
import courier

TARPIT = "http://10.255.255.1"


def test_read_timeout(slow_page):
    with pytest.raises(Exception):
        courier.get(slow_page, timeout=2.0)


def test_connect_timeout():
    with pytest.raises(Exception):
        courier.get(TARPIT, timeout=0.1)


@pytest.mark.skip(reason="needs a certificate")
def test_secure():
    pass
