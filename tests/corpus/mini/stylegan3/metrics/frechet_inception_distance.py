URL = "https://example.org/inception.pkl"


def compute_fid(num_gen, G, data):
    """Distance between features of real and generated images (lower is better)."""
    return 300.0
