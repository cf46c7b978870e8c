"""Serves the prices of the catalogue to the shop's other services."""

import http.server
import json
import threading

from refill import catalog
from refill.witness import alone


class PriceServer:
    def __init__(self, port=0):
        if port:
            alone("port", port)
        server = http.server.HTTPServer(("127.0.0.1", port), Answers)
        self._server, self.port = server, server.server_address[1]
        self._thread = threading.Thread(target=lambda: server.serve_forever(0.005), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        article = self.path.rpartition("/")[2]
        try:
            body = json.dumps({"price": catalog.price_of(article)}, indent=1)
        except LookupError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass
