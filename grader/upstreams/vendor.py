"""A vendor's JSON API, with routes for the good days and a script for the bad ones."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from grader.upstreams.line import Reply
from grader.upstreams.script import Answer, Call, Cut, Drop, Json, Status, Step
from grader.upstreams.server import ScriptedServer, error_body, json_reply


class FakeVendor(ScriptedServer):
    """JSON over HTTP.

        FakeVendor(routes={"GET /v1/customers/{id}": lambda call: {"id": call.params["id"]}})

    A route's value is a JSON value, a step, or a callable that takes the Call and returns either;
    what route() adds while the server runs replaces an equal route.
    What neither script nor route covers gets status 404.
    """

    def __init__(
        self,
        routes: Mapping[str, Any] | None = None,
        script: Iterable[Step] = (),
        port: int = 0,
    ) -> None:
        super().__init__(script, port)
        self._routes: dict[str, tuple[str, re.Pattern[str], Any]] = {}
        for route, value in (routes or {}).items():
            self.route(route, value)

    def route(self, route: str, value: Any) -> None:
        method, _, path = route.partition(" ")
        if not path.startswith("/"):
            raise ValueError(f'a route reads "GET /path/{{name}}", not "{route}"')
        self._routes[route] = (method.upper(), _pattern(path), value)

    def usual(self, call: Call) -> Step:
        for method, pattern, value in list(self._routes.values()):
            found = pattern.fullmatch(call.path)
            if found and method == call.method:
                call.params = found.groupdict()
                result = value(call) if callable(value) else value
                return result if isinstance(result, Step) else Json(result)
        return Status(404, body=error_body(404, f"no route for {call.method} {call.path}"))

    def render(self, step: Step, call: Call) -> Reply:
        match step:
            case Answer():
                text = step.text(call) if callable(step.text) else step.text
                return json_reply({"text": "".join(text or "")})
            case Cut() | Drop():
                whole = json_reply({"text": "".join(step.text)})
                return Reply(body=whole.body, broken=True)
        return super().render(step, call)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts))
    )
