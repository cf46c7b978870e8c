import sys


def add(a, b):
    return sum((a, b))


class Total:
    def __init__(self):
        self.value = 0

    def add(self, n):
        self.value = add(self.value, n)
        return self.value


if __name__ == "__main__":
    print(add(int(sys.argv[1]), int(sys.argv[2])))
