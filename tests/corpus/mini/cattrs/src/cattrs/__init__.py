from .converters import BaseConverter, Converter
__all__ = ["BaseConverter", "Converter"]
