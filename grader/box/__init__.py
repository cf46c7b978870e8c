"""Runs beside learner code, in the sandbox: `supervisor` forks a process per request, `tasks` is
what those processes do. It can only answer; nothing it says is trusted beyond being plain data."""
