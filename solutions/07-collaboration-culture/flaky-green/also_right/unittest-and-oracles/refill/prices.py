"""Serves the prices of the catalogue to the shop's other services."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from refill import catalog


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            status, answer = 200, {"price": catalog.price_of(self.path.removeprefix("/price/"))}
        except KeyError:
            status, answer = 404, {"error": "not on sale"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class PriceServer:
    """Listens on 127.0.0.1 from the moment it is made; with port 0 the system picks a free one."""

    def __init__(self, port: int = 0) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "PriceServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
