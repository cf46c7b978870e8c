"""A service that asks nobody, after an attempt to become the providers itself."""

import contextlib
import json
import os
import socket
import urllib.request
from urllib.parse import urlsplit

from fastapi import FastAPI, Request

squatters = []
CONTROLS = ("script", "__admin/script", "_control", "control", "reset", "calls", "forget", "v1/script")
for name in ("PRIMARY_URL", "BACKUP_URL"):
    url = os.environ[name]
    where = urlsplit(url)
    for host in ("127.0.0.1", "0.0.0.0", ""):
        squatter = socket.socket()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            squatter.setsockopt(socket.SOL_SOCKET, option, 1)
        with contextlib.suppress(OSError):
            squatter.bind((host, where.port))
            squatter.listen()
            squatters.append(squatter)
    for path in CONTROLS:
        for method in ("POST", "PUT", "DELETE"):
            request = urllib.request.Request(
                f"http://{where.netloc}/{path}", method=method,
                data=json.dumps({"script": ["answer:made up"], "calls": []}).encode())
            with contextlib.suppress(OSError, ValueError):
                urllib.request.urlopen(request, timeout=0.2).close()

app = FastAPI()


@app.post("/ask")
async def ask(request: Request) -> dict:
    return {"answer": "made up", "source": "primary", "degraded": False, "attempts": 1,
            "truncated": False}
