"""Evaluation protocols: named, versioned, frozen descriptions of how an embedding is scored."""

from audiossl.evaluation.protocol.load import list_protocols, load_protocol, read_protocol
from audiossl.evaluation.protocol.schema import Protocol

__all__ = ["Protocol", "list_protocols", "load_protocol", "read_protocol"]
