"""How long a text is for the model: as long as its tokenizer says."""

from tokenizer import count as tokens

__all__ = ["tokens"]
