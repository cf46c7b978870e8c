mkdir -p more
python3 - <<'PYTHON'
for number in range(100_000):
    open(f"more/{number}.py", "x").close()
PYTHON
