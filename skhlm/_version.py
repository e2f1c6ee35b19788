"""The version of the package: model files say who wrote them."""

__version__ = "0.1.0"
