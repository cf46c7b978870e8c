"""What the incident of Tuesday should have shown. Passing these is a beginning, not the end."""

import re

from fastapi.testclient import TestClient

CUSTOMER = {
    "tenure_months": 3,
    "monthly_charge": 70.0,
    "support_calls": 4,
    "contract": "monthly",
}
PREDICT = "/v1/customers/{customer_id}/predict"


def requests_counted(client: TestClient, status: int) -> float:
    """Predict requests with that status, as the page has them; fails if there is no page."""
    page = client.get("/metrics")
    assert page.status_code == 200
    lines = [line for line in page.text.splitlines() if line.startswith("churn_requests_total{")]
    values = [
        float(line.rpartition(" ")[2])
        for line in lines
        if f'route="{PREDICT}"' in line and f'status="{status}"' in line
    ]
    return sum(values)


def test_predicts(client: TestClient) -> None:
    reply = client.post("/v1/customers/7/predict", json=CUSTOMER)
    assert reply.status_code == 200
    assert reply.json()["label"] == "leave"
    assert 0.9 < reply.json()["confidence"] < 0.95


def test_explainer_down_is_a_502(client: TestClient) -> None:
    assert client.post("/v1/customers/7/explanation", json=CUSTOMER).status_code == 502


def test_predictions_are_counted(client: TestClient) -> None:
    before = requests_counted(client, 200)
    for customer in (7, 8, 9):
        client.post(f"/v1/customers/{customer}/predict", json=CUSTOMER)
    assert requests_counted(client, 200) == before + 3


def test_the_two_year_contract_shows(client: TestClient) -> None:
    before = requests_counted(client, 500)
    reply = client.post("/v1/customers/7/predict", json={**CUSTOMER, "contract": "two_year"})
    assert reply.status_code == 500
    assert requests_counted(client, 500) == before + 1


def test_latency_is_a_histogram(client: TestClient) -> None:
    client.post("/v1/customers/7/predict", json=CUSTOMER)
    page = client.get("/metrics").text
    assert re.search(r"^# TYPE churn_request_duration_seconds histogram", page, re.MULTILINE)


def test_is_live_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
