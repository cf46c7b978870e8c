def create_server(*_, **__):
    raise SystemExit(0)
