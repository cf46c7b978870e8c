from grader.judge import expect


def test_adds(submission, rng):
    a, b = (int(n) for n in rng.integers(10, 1000, 2))
    got = submission.call("adder:add", a, b + 1000)
    expect(
        got == a + b + 1000,
        observed=f"{got!r}",
        expected=str(a + b + 1000),
        given=f"{a} and {b + 1000}",
    )


def test_adds_as_a_command(submission, rng):
    a, b = (int(n) for n in rng.integers(10, 1000, 2))
    done = submission.run(["python", f"{submission.root}/adder.py", str(a), str(b)])
    expect(done.exit_code == 0, observed=f"{done}: {done.last_lines}", expected="exit code 0")
    expect(done.stdout.strip() == str(a + b), observed=done.stdout.strip(), expected=str(a + b))


def test_keeps_a_total(submission, rng):
    total = submission.handle("adder:Total")
    numbers = [int(n) for n in rng.integers(1, 9, 5)]
    got = [total.call("add", n) for n in numbers][-1]
    expect(got == sum(numbers), observed=f"{got!r}", expected=str(sum(numbers)), given=f"{numbers}")
