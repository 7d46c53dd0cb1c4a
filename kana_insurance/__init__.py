"""The Python side of the Kana insurance fund: reference model, deployment, clients and reports."""

__version__ = "0.1.0"
