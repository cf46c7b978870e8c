def send(connection, value):
    pass
