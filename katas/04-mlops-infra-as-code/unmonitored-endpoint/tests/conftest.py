import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent.parent))
# As in production, before the application is imported.
os.environ.setdefault("METRICS_DIR", tempfile.mkdtemp(prefix="churn-metrics-"))
os.environ["EXPLAINER_URL"] = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    from app import app

    with TestClient(app, raise_server_exceptions=False) as client:
        give_up = time.monotonic() + 5
        while client.get("/v1/model").status_code != 200 and time.monotonic() < give_up:
            time.sleep(0.05)
        yield client
