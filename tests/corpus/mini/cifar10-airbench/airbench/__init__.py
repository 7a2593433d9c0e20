from .utils import evaluate
