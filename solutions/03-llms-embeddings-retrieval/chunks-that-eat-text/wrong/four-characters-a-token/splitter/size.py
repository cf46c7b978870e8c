"""How long a text is for the model."""


def tokens(text: str) -> int:
    return -(-len(text) // 4)
