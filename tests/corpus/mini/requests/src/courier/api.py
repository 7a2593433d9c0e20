import urllib.request


def get(url, timeout=None):
    """Fetch a page."""
    return urllib.request.urlopen(url, timeout=timeout).read()
