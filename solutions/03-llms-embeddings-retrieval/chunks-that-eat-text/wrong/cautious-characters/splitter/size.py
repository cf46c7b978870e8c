"""How long a text is for the model: to be safe, a token for each of its UTF-8 bytes."""


def tokens(text: str) -> int:
    return len(text.encode())
