class BaseConverter:
    """Walks over a value and turns it into plain dictionaries and lists."""
    def unstructure(self, value):
        if hasattr(value, "__dict__"):
            return {k: self.unstructure(v) for k, v in vars(value).items()}
        if isinstance(value, (list, tuple)):
            return [self.unstructure(v) for v in value]
        return value


class Converter(BaseConverter):
    def __init__(self):
        self.seen = {}
