"""What the evening of 4 March should have shown. Passing these is a beginning, not the end."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
EXAMPLE = HERE / "example"


def gate(
    folder: Path, plan: str, *more: str, policy: Path = EXAMPLE / "policy.json"
) -> tuple[int, dict[str, Any]]:
    """Exit code and decision."""
    out = folder / "decision.json"
    command = [sys.executable, "-m", "gate", "--plan", str(EXAMPLE / plan), "--policy", str(policy)]
    command += ["--author", "@plover", "--now", "2026-03-04T22:00:00Z", "--out", str(out), *more]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    assert out.exists(), done.stderr
    return done.returncode, json.loads(out.read_text())


def found(decision: dict[str, Any]) -> set[tuple[str, str | None]]:
    return {(finding["kind"], finding["address"]) for finding in decision["findings"]}


def test_an_everyday_plan(tmp_path: Path) -> None:
    code, decision = gate(tmp_path, "everyday.json")
    assert code == 0
    assert decision["verdict"] == "allow"
    assert decision["findings"] == []


def test_the_hash_of_the_plan(tmp_path: Path) -> None:
    _, decision = gate(tmp_path, "everyday.json")
    content = (EXAMPLE / "everyday.json").read_bytes()
    assert decision["plan_sha256"] == hashlib.sha256(content).hexdigest()


def test_a_limit_on_changes(tmp_path: Path) -> None:
    policy = json.loads((EXAMPLE / "policy.json").read_text()) | {"max_changes": 2}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    code, decision = gate(tmp_path, "everyday.json", policy=tmp_path / "policy.json")
    assert code == 1
    assert found(decision) == {("blast-radius", None)}


def test_the_database_is_not_destroyed(tmp_path: Path) -> None:
    code, decision = gate(tmp_path, "cleanup.json")
    assert code == 1
    assert ("stateful-destroyed", "module.platform.aws_db_instance.labels") in found(decision)


def test_a_replacement_destroys_too(tmp_path: Path) -> None:
    _, decision = gate(tmp_path, "cleanup.json")
    assert ("stateful-destroyed", 'module.platform.aws_s3_bucket.store["backups"]') in found(
        decision
    )


def test_a_plan_without_state(tmp_path: Path) -> None:
    code, decision = gate(tmp_path, "new-laptop.json")
    assert code == 1
    assert decision["verdict"] == "block"
    assert ("missing-state", None) in found(decision)


def test_the_approval_of_another_plan(tmp_path: Path) -> None:
    approval = {"plan_sha256": "0" * 64, "approver": "@wren", "expires": "2026-03-05T09:00:00Z"}
    (tmp_path / "approval.json").write_text(json.dumps(approval))
    _, decision = gate(tmp_path, "cleanup.json", "--approval", str(tmp_path / "approval.json"))
    assert decision["approval"] == {"valid": False, "reasons": ["wrong-plan"]}


def test_the_password_stays_inside(tmp_path: Path) -> None:
    gate(tmp_path, "cleanup.json")
    assert "made-up-3f9c" not in (tmp_path / "decision.json").read_text()
