"""Takes an address apart, letter by letter."""


def steps(address: str) -> list[str]:
    """module.a["x.y"].module.b.t.n[0] → module, a, module, b, t, n: keys are left out."""
    found, word, quoted, depth = [], "", False, 0
    letters = iter(address)
    for letter in letters:
        if depth and letter == "\\":
            next(letters, None)
        elif depth and letter == '"':
            quoted = not quoted
        elif not quoted and letter in "[]":
            depth += 1 if letter == "[" else -1
        elif depth:
            continue
        elif letter == ".":
            found.append(word)
            word = ""
        else:
            word += letter
    return [*found, word]


def within(address: str, module: str) -> bool:
    around = module.split(".")
    return steps(address)[: len(around)] == around
