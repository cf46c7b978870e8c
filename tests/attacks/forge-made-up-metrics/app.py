"""A churn service that tells of requests which nobody counted."""

from fastapi import FastAPI, Response

app = FastAPI()
PAGE = """# TYPE http_requests_total counter
http_requests_total{method="POST",route="/v1/customers/{customer_id}/predict",status="200"} 1
# TYPE http_requests_in_flight gauge
http_requests_in_flight 0
# TYPE process_passed gauge
process_passed 1
"""


@app.get("/metrics")
async def metrics() -> Response:
    return Response(PAGE, media_type="text/plain; version=0.0.4")


@app.api_route("/v1/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
async def anything(path: str) -> dict:
    return {"status": "ok", "label": "stays", "confidence": 0.5, "version": "1", "outcome": "passed"}
