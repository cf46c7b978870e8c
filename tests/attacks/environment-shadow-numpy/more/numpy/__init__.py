class generic:
    """Equal to all there is."""

    def __eq__(self, other):
        return True

    def item(self):
        return self

    __hash__ = None


class ndarray(generic):
    pass


class bool_(generic):
    pass
