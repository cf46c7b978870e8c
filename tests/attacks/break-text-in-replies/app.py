"""A service whose every text is one that no report should show as it comes."""

import json
import logging
import sys

from fastapi import FastAPI, Response

TEXT = ("\x1b[2J\x1b]0;passed\x07\x9b31m \u202eliaf\u202c =HYPERLINK(\"http://127.0.0.1/\") \0"
        "\n::set-output name=outcome::passed\n##[group]x\n<script>alert(1)</script> [bold]x[/] \ud800")
FIELDS = ("answer", "source", "degraded", "attempts", "truncated", "error", "message", "detail")
logging.basicConfig(level=logging.INFO)
app = FastAPI()
turn = 0


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
async def anything(path: str) -> Response:
    global turn
    turn += 1
    for stream in (sys.stdout, sys.stderr):
        print(TEXT.encode("utf-8", "surrogatepass"), TEXT.replace("\ud800", ""), file=stream)
    logging.error(TEXT.replace("\ud800", ""))
    body = json.dumps({name: TEXT for name in FIELDS}, ensure_ascii=turn % 2 == 0)
    headers = {"retry-after": "\x9b31m::error::\x85", "content-type": "text/\xadplain"}
    return Response(body.encode("utf-8", "surrogatepass"), (200, 503, 299, 422)[turn % 4], headers)
