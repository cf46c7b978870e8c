"""What must hold in `flaky-provider`, asked over HTTP with two scripted providers behind it."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from typing import Any

import pytest
from numpy.random import Generator

from grader.judge import Reply, Submission, Timeline, Unmet, expect
from grader.upstreams import Answer, Call, Cut, Drop, FakeLLM, Hang, Malformed, Status
from grader.verdict import Cause

BROKEN_EVENT = 'data: {"choices": [{"delta":\n\n'
# What the README allows on top of a deadline.
LATE_MS = 400
# What the README calls "at once".
AT_ONCE_MS = 2000
# Later than this an answer is no longer waited for, so that a kata full of hangs ends soon.
PATIENCE_MS = 800

WORDS = [
    *("refund", "invoice", "parcel", "courier", "müller", "tariff", "harbour", "ledger"),
    *("voucher", "depot", "zürich", "claim", "warranty", "scanner", "pallet", "customs"),
    *("中文", "seal", "basket", "receipt", "driver", "holiday", "ñandú", "weekend"),
]


def prompt_of(call: Call) -> str:
    """The last message's text; empty when the request is not what it should be."""
    messages = call.fields.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    return content if isinstance(content, str) else ""


class Stage:
    """The service between a primary and a backup that answer differently."""

    def __init__(
        self,
        submission: Submission,
        primary: FakeLLM,
        backup: FakeLLM,
        rng: Generator,
        timeline: Timeline,
    ) -> None:
        timeline.watch(primary=primary, backup=backup)
        self.timeline = timeline
        self.primary = primary
        self.backup = backup
        self.rng = rng
        self.given = "two healthy providers"
        self._secret = rng.bytes(16)
        self.settings = {
            "primary": (self.token("sk-p"), self.token("model-p")),
            "fallback": (self.token("sk-b"), self.token("model-b")),
        }
        primary.script(self.good("primary"))
        backup.script(self.good("fallback"))
        environment = {"PRIMARY_URL": primary.url, "BACKUP_URL": backup.url}
        for prefix, source in (("PRIMARY", "primary"), ("BACKUP", "fallback")):
            key, model = self.settings[source]
            environment |= {f"{prefix}_API_KEY": key, f"{prefix}_MODEL": model}
        self.service = submission.serve("app:app", env=environment)

    def token(self, prefix: str) -> str:
        return f"{prefix}-{self.rng.integers(10**9):09d}"

    def prompt(self, words: int = 6) -> str:
        return " ".join(self.rng.choice(WORDS, words)) + f" {self.rng.integers(10**6)}?"

    def text(self, source: str, prompt: str) -> str:
        """What a provider says to a prompt: several tokens, which nobody else can make up."""
        said = f"{source}: {prompt}".encode("utf-8", "replace")
        mark = hashlib.blake2b(said, key=self._secret, digest_size=5).hexdigest()
        return f"Answer {mark}:\n« {' '.join(reversed(prompt.split()))} » (done)"

    def good(self, source: str, **how: Any) -> Answer:
        return Answer(text=lambda call: self.text(source, prompt_of(call)), **how)

    def ask(self, prompt: str, deadline_ms: int) -> Reply:
        return self.together([prompt], deadline_ms)[0]

    def warm_up(self) -> None:
        """One ordinary request: first calls pay for imports and connections."""
        self.ask(self.prompt(), 5000)
        self.primary.forget()
        self.backup.forget()
        self.timeline.begin()

    def together(self, prompts: list[str], deadline_ms: int) -> list[Reply]:
        patience = (deadline_ms + PATIENCE_MS) / 1000
        bodies = [{"prompt": prompt, "deadline_ms": deadline_ms} for prompt in prompts]
        try:
            if len(bodies) == 1:
                return [self.service.post("/ask", json=bodies[0], timeout=patience)]
            return self.service.together(
                [("POST", "/ask", body) for body in bodies], timeout=patience
            )
        except Unmet as unmet:
            # No reply at all: the finding becomes more useful with what was given.
            finding = dataclasses.replace(unmet.finding, given=self.given)
            if unmet.cause is Cause.TIMED_OUT:
                within = f"an answer within {deadline_ms} ms, plus {LATE_MS} ms tolerance"
                finding = dataclasses.replace(finding, expected=within)
            raise Unmet(finding, unmet.cause) from None

    def answered(
        self, reply: Reply, prompt: str, source: str, given: str, truncated: bool = False
    ) -> dict[str, Any]:
        """Checks a whole answer, labels included."""
        expect(
            reply.status == 200,
            observed=f"status {reply.status}: {reply.text[:200]}",
            expected=f"status 200 with the {source}'s answer",
            given=given,
        )
        body = reply.fields(answer=str, source=str, degraded=bool, attempts=int, truncated=bool)
        text = self.text(source, prompt)
        # The whole answer of either provider is named: side by side the texts look much the same.
        whole = [one for one in self.settings if body["answer"] == self.text(one, prompt)]
        came = f"the {whole[0]}'s answer" if whole else f"answer {body['answer']!r}"
        expect(
            body["source"] == source and body["answer"] == text,
            observed=f"source {body['source']!r}, {came}",
            expected=f"source {source!r}, the {source}'s answer" + ("" if whole else f" {text!r}"),
            given=given,
        )
        expect(
            body["degraded"] is (source == "fallback") and body["truncated"] is truncated,
            observed=f"degraded {body['degraded']}, truncated {body['truncated']}",
            expected=f"degraded {source == 'fallback'}, truncated {truncated}",
            given=given,
        )
        return body

    def counted(self, body: dict[str, Any], given: str) -> None:
        """Checks `attempts` against what the providers saw of the only request so far."""
        seen = len(self.primary.calls) + len(self.backup.calls)
        expect(
            body["attempts"] == seen,
            observed=f"attempts {body['attempts']}",
            expected=f"attempts {seen}: the primary saw {len(self.primary.calls)} calls, "
            f"the backup {len(self.backup.calls)}",
            given=given,
        )

    def two_lucky_callers(self, given: str) -> None:
        """Beside one retried failure they make three good calls of four, as the README says."""
        for _ in range(2):
            prompt = self.prompt()
            self.answered(
                self.ask(prompt, 5000), prompt, "primary", f"{given}: the next two callers"
            )

    def logged(self, words: tuple[str, ...], given: str) -> None:
        """Checks that the service's log holds all these words, now or a little later."""
        give_up = time.monotonic() + 1
        while (missing := [word for word in words if word not in self.service.log()]) and (
            time.monotonic() < give_up
        ):
            time.sleep(0.02)
        expect(
            not missing,
            observed=f"{' and '.join(missing)} cannot be found in the log: "
            f"{self.service.log()[-200:]!r}",
            expected=f"{' and '.join(words)} in the log, for whoever is on call",
            given=given,
        )


def counted(calls: list[Call]) -> str:
    return "1 call" if len(calls) == 1 else f"{len(calls)} calls"


def expect_in_time(reply: Reply, deadline_ms: int, given: str) -> None:
    expect(
        reply.ms <= deadline_ms + LATE_MS,
        observed=f"the reply (status {reply.status}) took {reply.ms:.0f} ms",
        expected=f"at most {deadline_ms} ms, plus {LATE_MS} ms tolerance",
        given=given,
    )


@pytest.fixture
def stage(
    submission: Submission, llm: FakeLLM, upstream: Any, rng: Generator, timeline: Timeline
) -> Stage:
    return Stage(submission, llm, upstream(FakeLLM), rng, timeline)


# The incident


def test_deadline_primary_hangs(stage: Stage) -> None:
    stage.warm_up()
    deadline = int(stage.rng.integers(1500, 1600))
    prompt = stage.prompt()
    given = stage.given = (
        f"a primary that accepts the call and never answers, deadline_ms {deadline}"
    )
    stage.primary.script(Hang())
    reply = stage.ask(prompt, deadline)
    expect_in_time(reply, deadline, given)
    stage.answered(reply, prompt, "fallback", given)


def test_deadline_all_hang(stage: Stage) -> None:
    stage.warm_up()
    deadline = int(stage.rng.integers(400, 500))
    given = stage.given = f"both providers accept the call and never answer, deadline_ms {deadline}"
    stage.primary.script(Hang())
    stage.backup.script(Hang())
    reply = stage.ask(stage.prompt(), deadline)
    expect_in_time(reply, deadline, given)
    expect(
        reply.status == 503,
        observed=f"status {reply.status}: {reply.text[:200]}",
        expected="status 503",
        given=given,
    )
    stage.logged(("primary", "fallback"), given)


def test_outage_calls(stage: Stage) -> None:
    status = int(stage.rng.choice([500, 502, 503]))
    stage.primary.script(Status(status))
    prompts = [stage.prompt() for _ in range(50)]
    given = stage.given = (
        f"a primary that answers {status} at once, and 50 callers at the same moment"
    )
    for prompt, reply in zip(prompts, stage.together(prompts, 6000), strict=True):
        stage.answered(reply, prompt, "fallback", given)
    calls = len(stage.primary.calls)
    expect(
        calls <= 60,
        observed=f"{calls} calls reached the primary",
        expected="at most 60 calls: 1.2 for each caller",
        given=given,
    )


def test_recovers(stage: Stage) -> None:
    given = stage.given = "24 callers during an outage (503); then the primary works again"
    stage.primary.script(Status(503))
    for _ in range(3):
        stage.together([stage.prompt() for _ in range(8)], 3000)
    stage.primary.script(stage.good("primary"))
    back_at = time.monotonic()
    sources: list[str] = []
    while "primary" not in sources and time.monotonic() - back_at < 2.4:
        reply = stage.ask(stage.prompt(), 3000)
        sources.append(reply.fields(source=str)["source"])
        time.sleep(0.1)
    expect(
        "primary" in sources,
        observed=f"{len(sources)} callers over 2.4 s, none of them answered by the primary",
        expected="answers from the primary at the latest 2 s after it came back",
        given=given,
    )
    for _ in range(3):
        prompt = stage.prompt()
        stage.answered(stage.ask(prompt, 3000), prompt, "primary", f"{given}, and has answered")


# Neighbours of the incident


def test_deadline_primary_drips(stage: Stage) -> None:
    stage.warm_up()
    deadline = int(stage.rng.integers(1500, 1600))
    prompt = stage.prompt(40)
    given = stage.given = (
        f"a primary that sends a word every 120 ms, 40 in all, deadline_ms {deadline}"
    )
    stage.primary.script(stage.good("primary", chunk_delay=0.12))
    reply = stage.ask(prompt, deadline)
    expect_in_time(reply, deadline, given)
    stage.answered(reply, prompt, "fallback", given)


def test_others_not_held_up(stage: Stage) -> None:
    stage.warm_up()
    unlucky, lucky = stage.prompt(), stage.prompt()
    stage.primary.when(lambda call: prompt_of(call) == unlucky, Hang())
    stage.service.abandon("POST", "/ask", json={"prompt": unlucky, "deadline_ms": 6000}, after=0.2)
    given = stage.given = (
        "one caller whose call hangs (deadline_ms 6000), and another one 200 ms later"
    )
    reply = stage.ask(lucky, 5000)
    stage.answered(reply, lucky, "primary", given)
    expect(
        reply.ms <= AT_ONCE_MS,
        observed=f"the second caller waited {reply.ms:.0f} ms",
        expected=f"at most {AT_ONCE_MS} ms: the provider answered it at once",
        given=given,
    )


def test_bad_prompts_no_outage(stage: Stage) -> None:
    bad = {stage.prompt() for _ in range(12)}
    stage.primary.when(lambda call: prompt_of(call) in bad, Status(400))
    for prompt in sorted(bad):
        given = stage.given = "12 prompts, one after another, that the primary refuses with 400"
        stage.answered(stage.ask(prompt, 5000), prompt, "fallback", given)
    prompt = stage.prompt()
    given = stage.given = (
        "12 prompts that the primary refused with 400, then a prompt that it accepts"
    )
    stage.answered(stage.ask(prompt, 5000), prompt, "primary", given)


def test_hangs_up(stage: Stage) -> None:
    stage.warm_up()
    stage.primary.script(Hang())
    stage.backup.script(Hang())
    given = stage.given = "both providers accept the call and never answer, deadline_ms 800"
    stage.ask(stage.prompt(), 800)
    calls = [*stage.primary.calls, *stage.backup.calls]
    expect(
        len(stage.primary.calls) >= 1,
        observed="the primary was never called",
        expected="a call to the primary",
        given=given,
    )
    give_up = time.monotonic() + 1.3
    while time.monotonic() < give_up and any(call.hung_up_at is None for call in calls):
        time.sleep(0.02)
    still_open = sum(call.hung_up_at is None for call in calls)
    expect(
        still_open == 0,
        observed=f"{still_open} of {len(calls)} calls still open 1.3 s after the reply",
        expected="every call that was given up is hung up within 1 s of the reply",
        given=given,
    )


# Faults and load


def test_long_retry_after(stage: Stage) -> None:
    stage.warm_up()
    wait = int(stage.rng.integers(40, 110))
    prompt = stage.prompt()
    stage.primary.script(Status(429, retry_after=wait))
    given = stage.given = f"a primary that answers 429 with Retry-After: {wait}, deadline_ms 6000"
    reply = stage.ask(prompt, 6000)
    body = stage.answered(reply, prompt, "fallback", given)
    expect(
        reply.ms <= AT_ONCE_MS,
        observed=f"the fallback's answer came after {reply.ms:.0f} ms",
        expected=f"at most {AT_ONCE_MS} ms: waiting for the primary is pointless",
        given=given,
    )
    calls = len(stage.primary.calls)
    expect(
        calls == 1,
        observed=f"{calls} calls to the primary",
        expected="1 call: it asked not to be called again so soon",
        given=given,
    )
    stage.counted(body, given)


def test_short_retry_after(stage: Stage) -> None:
    stage.warm_up()
    breaths = [round(float(wait), 3) for wait in stage.rng.uniform(0.1, 0.2, 2)]
    # A quarter of the deadline, the most that has to be honoured.
    quarter = round(float(stage.rng.uniform(0.5, 0.55)), 3)
    for wait, deadline in [
        *((wait, 3000) for wait in breaths),
        (quarter, math.ceil(4000 * quarter)),
    ]:
        prompt = stage.prompt()
        stage.primary.script(Status(429, retry_after=wait), stage.good("primary"))
        stage.primary.forget()
        given = stage.given = (
            f"a primary that answers 429 with Retry-After: {wait} and then answers, "
            f"deadline_ms {deadline}"
        )
        reply = stage.ask(prompt, deadline)
        body = stage.answered(reply, prompt, "primary", given)
        expect_in_time(reply, deadline, given)
        gap = stage.primary.calls[1].at - stage.primary.calls[0].at
        expect(
            gap >= wait - 0.01,
            observed=f"the second call came {gap * 1000:.0f} ms after the first",
            expected=f"at least {wait * 1000:.0f} ms, as Retry-After asked",
            given=given,
        )
        stage.counted(body, given)
        stage.two_lucky_callers(given)


def test_permanent_errors(stage: Stage) -> None:
    stage.warm_up()
    for status in stage.rng.permutation([400, 401, 404]).tolist():
        stage.primary.script(Status(status))
        stage.primary.forget()
        stage.backup.forget()
        prompt = stage.prompt()
        given = stage.given = f"a primary that answers {status}"
        reply = stage.ask(prompt, 6000)
        body = stage.answered(reply, prompt, "fallback", given)
        calls = len(stage.primary.calls)
        expect(
            calls <= 1,
            observed=f"{calls} calls to the primary",
            expected="1 call: asking again changes nothing",
            given=given,
        )
        expect(
            reply.ms <= AT_ONCE_MS,
            observed=f"the fallback's answer came after {reply.ms:.0f} ms",
            expected=f"at most {AT_ONCE_MS} ms",
            given=given,
        )
        stage.counted(body, given)
        expect_well_formed(stage, stage.backup.calls[-1], "fallback", prompt)


def test_cut_stream(stage: Stage) -> None:
    half = f"The first half {stage.token('h')} of an answer that was never"
    faults = [
        (Cut(after=2, text=half), "ends cleanly half-way, without a finish_reason"),
        (Drop(after=2, text=half), "breaks off half-way"),
    ]
    for index in stage.rng.permutation(2).tolist():
        step, what = faults[index]
        stage.primary.script(step)
        prompt = stage.prompt()
        given = stage.given = f"a primary whose every stream {what}"
        stage.answered(stage.ask(prompt, 5000), prompt, "fallback", given)


def test_unreadable_answers(stage: Stage) -> None:
    faults = [
        (Malformed(body='{"choices": ['), "a body of broken JSON"),
        (Malformed(BROKEN_EVENT, content_type="text/event-stream"), "broken JSON in an event"),
        (Answer(text=""), "a proper stream without any text"),
    ]
    for index in stage.rng.permutation(3).tolist():
        step, what = faults[index]
        stage.primary.script(step)
        prompt = stage.prompt()
        given = stage.given = f"a primary that answers 200 with {what}"
        stage.answered(stage.ask(prompt, 5000), prompt, "fallback", given)


def test_both_down(stage: Stage) -> None:
    leak = stage.token("internal-host")
    message = {"error": {"message": leak, "type": "server_error", "code": None, "param": None}}
    bodies: list[Any] = []
    for primary, backup, given in (
        (Status(401), Status(500, body=message), "401 from the primary, 500 from the backup"),
        (Status(502), Status(503), "502 from the primary, 503 from the backup"),
        (Drop(after=1), Malformed(), "a broken stream from one, broken JSON from the other"),
    ):
        stage.given = given
        stage.primary.script(primary)
        stage.backup.script(backup)
        reply = stage.ask(stage.prompt(), 3000)
        expect(
            reply.status == 503,
            observed=f"status {reply.status}: {reply.text[:200]}",
            expected="status 503",
            given=given,
        )
        expect_in_time(reply, 3000, given)
        body = reply.fields(error=str)
        expect(
            body["error"] == "providers_unavailable",
            observed=f"error {body['error']!r}",
            expected="error 'providers_unavailable'",
            given=given,
        )
        header = next((v for k, v in reply.headers.items() if k.lower() == "retry-after"), "")
        expect(
            header.isascii() and header.isdigit() and 1 <= int(header) <= 60,
            observed=f"Retry-After {header!r}" if header else "no Retry-After header",
            expected="Retry-After: whole seconds, 1 to 60",
            given=given,
        )
        secrets = [leak, *(key for key, _ in stage.settings.values())]
        expect(
            not any(secret in reply.text for secret in secrets),
            observed=f"the body repeats what a provider said, or an API key: {reply.text[:200]}",
            expected="a body of our own words",
            given=given,
        )
        bodies.append(body)
    stage.logged(("401", "500"), "401 from the primary, 500 from the backup")
    expect(
        all(body == bodies[0] for body in bodies),
        observed=f"different bodies for different causes: {bodies}",
        expected="the same body each time",
        given="three requests, each with both providers down in another way",
    )


def test_retry_pauses_vary(stage: Stage) -> None:
    unlucky = [stage.prompt(8) for _ in range(10)]
    for prompt in unlucky:
        stage.primary.when(
            lambda call, prompt=prompt: prompt_of(call) == prompt,
            Status(500),
            stage.good("primary"),
        )
    given = stage.given = (
        "10 callers, two at a time, whose first call gets a 500, and 2 lucky ones after each"
    )
    for pair in zip(unlucky[::2], unlucky[1::2], strict=True):
        lucky = [stage.prompt() for _ in range(4)]
        for prompts in (list(pair), lucky):
            replies = stage.together(prompts, 5000)
            for prompt, reply in zip(prompts, replies, strict=True):
                stage.answered(reply, prompt, "primary", given)
    pauses = []
    for prompt in unlucky:
        calls = [call.at for call in stage.primary.calls if prompt_of(call) == prompt]
        pauses.append((calls[1] - calls[0]) * 1000)
    pauses.sort()
    expect(
        pauses[8] - pauses[1] >= 30,
        observed="pauses before the second call (ms): " + ", ".join(f"{p:.0f}" for p in pauses),
        expected="without the shortest and the longest, spread over at least 30 ms",
        given=given,
    )


# Usefulness


def test_healthy_primary(stage: Stage) -> None:
    given = stage.given = "two healthy providers"
    prompts = [stage.prompt(), stage.prompt() + "\n\n« zwei Zeilen »", stage.prompt(40)]
    for number, prompt in enumerate(prompts, 1):
        response = stage.ask(prompt, 5000)
        expect(
            len(stage.primary.calls) == number and not stage.backup.calls,
            observed=f"{counted(stage.primary.calls)} to the primary, "
            f"{counted(stage.backup.calls)} to the backup",
            expected=f"one call to the primary for each request, of which this is number {number}, "
            "and none to the backup",
            given=given,
        )
        body = stage.answered(response, prompt, "primary", given)
        expect(
            body["attempts"] == 1,
            observed=f"attempts {body['attempts']}",
            expected="attempts 1",
            given=given,
        )
    expect_well_formed(stage, stage.primary.calls[1], "primary", prompts[1])


def expect_well_formed(stage: Stage, call: Call, source: str, prompt: str) -> None:
    key, model = stage.settings[source]
    wanted = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
    expect(
        call.path == "/v1/chat/completions" and {k: call.fields.get(k) for k in wanted} == wanted,
        observed=f"{call.method} {call.path} with {call.fields}",
        expected=f"POST /v1/chat/completions with {wanted}",
        given=f"a call to the {source}",
    )
    expect(
        call.headers.get("authorization") == f"Bearer {key}",
        observed="another Authorization header, or none",
        expected="Authorization: Bearer and this provider's API key",
        given=f"a call to the {source}",
    )


def test_slow_primary(stage: Stage) -> None:
    stage.warm_up()
    prompt = stage.prompt()
    stage.primary.script(stage.good("primary", delay=0.6))
    given = stage.given = "a primary that takes 600 ms to answer, deadline_ms 2400"
    body = stage.answered(stage.ask(prompt, 2400), prompt, "primary", given)
    expect(
        body["attempts"] == 1,
        observed=f"attempts {body['attempts']}",
        expected="attempts 1: it was only slow",
        given=given,
    )
    stage.counted(body, given)


def test_one_failure_retried(stage: Stage) -> None:
    stage.warm_up()
    for status in stage.rng.permutation([500, 502, 503]).tolist():
        stage.primary.script(Status(status), stage.good("primary"))
        stage.primary.forget()
        prompt = stage.prompt()
        given = stage.given = (
            f"a primary that answers {status} once and then works, deadline_ms 5000"
        )
        reply = stage.ask(prompt, 5000)
        expect_in_time(reply, 5000, given)
        body = stage.answered(reply, prompt, "primary", given)
        expect(
            body["attempts"] == 2,
            observed=f"attempts {body['attempts']}",
            expected="attempts 2",
            given=given,
        )
        stage.counted(body, given)
        stage.two_lucky_callers(given)


def test_truncated(stage: Stage) -> None:
    stage.primary.script(stage.good("primary", finish_reason="length"))
    prompt = stage.prompt()
    given = stage.given = "an answer that ends with finish_reason 'length'"
    body = stage.answered(stage.ask(prompt, 5000), prompt, "primary", given, truncated=True)
    expect(
        body["attempts"] == 1,
        observed=f"attempts {body['attempts']}",
        expected="attempts 1: asking again would be cut again",
        given=given,
    )
    stage.counted(body, given)
    stage.primary.script(Status(404))
    stage.backup.script(stage.good("fallback", finish_reason="length"))
    prompt = stage.prompt()
    given = stage.given = "the same from the backup, while the primary answers 404"
    stage.answered(stage.ask(prompt, 5000), prompt, "fallback", given, truncated=True)


def test_bad_input(stage: Stage) -> None:
    prompt = stage.prompt()
    for body, what in (
        ({"prompt": prompt}, "no deadline_ms"),
        ({"deadline_ms": 1000}, "no prompt"),
        ({"prompt": "", "deadline_ms": 1000}, "an empty prompt"),
        ({"prompt": "x" * 8001, "deadline_ms": 1000}, "a prompt of 8001 characters"),
        ({"prompt": prompt, "deadline_ms": 49}, "deadline_ms 49"),
        ({"prompt": prompt, "deadline_ms": 60_001}, "deadline_ms 60001"),
        ({"prompt": prompt, "deadline_ms": "soon"}, "deadline_ms 'soon'"),
    ):
        reply = stage.service.post("/ask", json=body)
        expect(
            reply.status == 422,
            observed=f"status {reply.status}",
            expected="status 422",
            given=f"a request with {what}",
        )
    calls = len(stage.primary.calls) + len(stage.backup.calls)
    expect(
        calls == 0,
        observed=f"{calls} calls to providers",
        expected="none: they cost money",
        given="7 requests with bad input",
    )
    longest = (stage.prompt(1600) * 2)[:8000].strip().ljust(8000, "?")
    for prompt, deadline in (("?", 60_000), (longest, 5000), (stage.prompt(), 50)):
        reply = stage.ask(prompt, deadline)
        expect(
            reply.status in ((200,) if deadline > 50 else (200, 503)),
            observed=f"status {reply.status}",
            expected="status 200" if deadline > 50 else "status 200 or, if it took too long, 503",
            given=f"a prompt of {len(prompt)} characters and deadline_ms {deadline}",
        )
