"""The suite that was handed in, run on many agents, over right builds and over wrong ones."""

import calendar
import datetime as dt
import http.client
import json
import math
import pathlib
import re
import time
import urllib.error
import urllib.request

import numpy as np

from grader.judge import Raised, expect

#: Another right build of refill: other source, same behaviour.
OTHER = {
    f"refill/{path.name}": path.read_text("utf-8")
    for path in sorted((pathlib.Path(__file__).parent / "other").glob("*.py"))
}
#: Noon in the middle of a month, where the agent's day is that of UTC.
HARMLESS = ("--now", "2026-05-12T12:00:00+00:00")
AT_LEAST = 24
#: Parts of pytest that no suite needs here; without them a run takes half the time.
LEAN = [
    f"-pno:{name}"
    for name in [
        "cacheprovider",
        "doctest",
        "faulthandler",
        "junitxml",
        "pastebin",
        "setuponly",
        "setupplan",
        "stepwise",
        "threadexception",
        "unraisableexception",
    ]
]
#: What one run may take. The slowest build waits for a second, a few times.
RUN_SECONDS = 10


class Agent:
    """A build agent: a copy of the repository in the scratch folder, with the suite handed in."""

    def __init__(self, submission, rng):
        self._submission = submission
        self._rng = rng
        self._files = {
            path: submission.read(path)
            for path in submission.sources()
            if path.startswith("suite/")
        }
        self._files["pytest.ini"] = "[pytest]\n"
        self._builds = 0

    def own(self):
        """The build that was handed in."""
        sources = [path for path in self._submission.sources() if path.startswith("refill/")]
        return {path: self._submission.read(path) for path in sources}

    def right(self, *changes):
        """A right build with numbers of its own; with changes (file, old, new), a wrong one."""
        salt = int(self._rng.integers(2**31))
        build = {path: text.replace("SALT = 0", f"SALT = {salt}") for path, text in OTHER.items()}
        for file, old, new in changes:
            path = f"refill/{file}.py"
            if old is None:
                build[path] = new.replace("SALT", str(salt))
                continue
            if build[path].count(old) != 1:
                raise RuntimeError(f"{file} has {old!r} {build[path].count(old)} times")
            build[path] = build[path].replace(old, new)
        return build

    def lay(self, build):
        """Lays the suite and a build into the scratch folder."""
        self._builds += 1
        # Of another size each time, or Python would take the byte code of the build before.
        tail = "\n#" + "." * 700 * self._builds + "\n"
        self._submission.write({path: text + tail for path, text in build.items()} | self._files)
        self._files = {}

    def start(self, *options, env=None, fresh=False):
        """Starts the suite on the build that was laid."""
        argv = ["python", "-m", "pytest", "-p", "ci.gate", "-q", "--tb=no", "-rfE", *LEAN]
        argv += [*options, "suite"]
        env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "160", **(env or {})}
        return self._submission.start(argv, env=env, fresh=fresh)

    def run(self, build, *options, env=None, fresh=False):
        self.lay(build)
        return self.start(*options, env=env, fresh=fresh).wait(RUN_SECONDS)

    def green(self, given, build, *options, env=None, fresh=False):
        """The suite is green."""
        is_green(self.run(build, *options, env=env, fresh=fresh), given)

    def red(self, given, build, *options, env=None):
        """The suite fails: it ran, and at least one test in it did not hold."""
        finished = self.run(build, "-x", "--assert=plain", *options, env=env)
        expect(
            finished.exit_code == 1,
            observed="the suite is green"
            if finished.exit_code == 0
            else f"pytest ended with exit code {finished.exit_code}, before the tests",
            expected="a red suite",
            given=given,
        )


def is_green(finished, given):
    told = re.findall(r"^(?:FAILED|ERROR|gate:) *(.*)$", finished.stdout, re.MULTILINE)
    told = [line.replace("::", " ") for line in told]
    last = finished.stdout.strip().splitlines() or finished.stderr.strip().splitlines()
    expect(
        finished.exit_code == 0,
        observed=f"red: {'; '.join(told[:3]) or (last or ['no output'])[-1]}"
        + (f"; and {len(told) - 3} more" if len(told) > 3 else ""),
        expected="a green suite",
        given=given,
    )


# ---------------------------------------------------------------------------- the incident


def test_any_order(submission, rng):
    agent = Agent(submission, rng)
    first, second = (str(number) for number in rng.integers(10_000, size=2))
    for options in (
        ("--order", first),
        ("--order", first, "--reverse"),
        ("--order", second, "--part", f"{rng.integers(1, 3)}/2"),
    ):
        agent.green(f"a right build, {' '.join(options)}", agent.right(), *options)


def test_twice_in_one_process(submission, rng):
    agent = Agent(submission, rng)
    order = str(rng.integers(10_000))
    for options in (("--twice", "--order", order), ("--twice", "--order", order, "--reverse")):
        agent.green(f"a right build, {' '.join(options)}", agent.right(), *options)


def test_any_day(submission, rng):
    agent = Agent(submission, rng)
    month = int(rng.choice([1, 3, 5, 8, 10]))
    for build, name, moment, zone, where in (
        # The agent is a day ahead of UTC, and a day behind.
        (
            agent.own(),
            "your build",
            dt.datetime(2027, month, 30, 15),
            "AAA-14",
            "14 hours ahead of",
        ),
        (agent.right(), "a right build", dt.datetime(2028, 3, 1, 4), "ZZZ11", "11 hours behind"),
    ):
        now = f"{(moment + dt.timedelta(minutes=int(rng.integers(300)))).isoformat()}+00:00"
        given = f"{name}, on an agent {where} UTC, at {now}"
        agent.green(given, build, "--now", now, env={"TZ": zone})


REAL_SETS = (
    ("totals", "return _Bag(", "return set("),
    ("totals", "math.fsum(", "sum("),
    ("totals", "dict.fromkeys(articles)", "set(articles)"),
)


def test_any_hash_seed(submission, rng):
    agent = Agent(submission, rng)
    seed = str(rng.integers(1, 2**32))
    build = agent.right(*REAL_SETS)
    given = f"a right build in a new interpreter with PYTHONHASHSEED={seed}"
    agent.green(given, build, env={"PYTHONHASHSEED": seed}, fresh=True)
    given = "a right build that goes through sets, and adds up, in another order"
    agent.green(given, agent.right(("totals", "BACKWARDS = False", "BACKWARDS = True")))


def test_side_by_side(submission, rng):
    agent = Agent(submission, rng)
    submission.write({"witness/readme": ""})
    agent.lay(agent.right())
    runs = [agent.start(env={"REFILL_RUN": name, "HOME": "/nowhere"}) for name in ("one", "two")]
    for finished in [run.wait(RUN_SECONDS) for run in runs]:
        is_green(finished, "two runs at once on one agent, whose user has no home folder")


def test_busy_agent(submission, rng):
    agent = Agent(submission, rng)
    delay = float(rng.uniform(0.7, 1.0))
    build = agent.right(("recorder", "LAZY = 0.0", f"LAZY = {delay}"))
    given = f"a right build in which an event, unless flushed, reaches the file {delay:.1f} s later"
    agent.green(given, build)


UNLUCKY = """

_seen = {}
_fair = households


def households(n, rng):
    import os

    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    _seen[test] = _seen.get(test, 0) + 1
    if _seen[test] > 2:
        return _fair(n, rng)
    draws = [_fair(n, rng) for _ in range(40)]
    return min(draws, key=_luck)


def _luck(draw):
    rows, bought = draw
    log_odds = sum(rows[:, column] * weight for column, weight in _TASTE.items())
    buyers, others = log_odds[bought == 1], numpy.sort(log_odds[bought != 1])
    return numpy.searchsorted(others, buyers).mean() / max(len(others), 1)
"""


def test_steady_model_test(submission, rng):
    agent = Agent(submission, rng)
    given = "a right build with an unlucky draw of households, such as one in 40"
    for _ in range(2):
        build = agent.right()
        build["refill/sample.py"] += UNLUCKY
        agent.green(given, build)
    name = "suite/test_model.py::test_model_finds_buyers"
    entry = causes(submission).get(name, {})
    stated = entry.get("false_alarms") if type(entry) is dict else None
    expect(
        type(stated) in (int, float) and 0 <= stated <= 1e-4,
        observed=f"false_alarms is {json.dumps(stated) if entry else 'not stated'}",
        expected="a number from 0 to 0.0001",
        given="the entry of test_model_finds_buyers (suite/test_model.py) in causes.json",
    )


# ---------------------------------------------------------------------------- the product


def test_month_ends(submission, rng):
    start = dt.date(2024, 1, 1)
    days = [start + dt.timedelta(days=int(day)) for day in rng.integers(0, 4000, size=60)]
    days += [
        dt.date(year, month, day)
        for year in (2027, 2028)
        for month in range(1, 13)
        for day in (28, calendar.monthrange(year, month)[1])
    ]
    for day in days:
        following = (day.replace(day=1) + dt.timedelta(days=31)).replace(day=1)
        length = calendar.monthrange(following.year, following.month)[1]
        right = following.replace(day=min(day.day, length))
        told = attempt(submission, "refill.plan:next_delivery", day)
        expect(
            type(told) is dt.date and told == right,
            observed=f"next_delivery gave {told}",
            expected=f"{right}",
            given=f"the last delivery was on {day}",
        )


def attempt(submission, target, *args, **kwargs):
    """The result, or the exception as text."""
    try:
        return submission.call(target, *args, **kwargs)
    except Raised as error:
        return f"{error.type}: {error.message}"


ARTICLES = [
    "apples",
    "bread",
    "coffee",
    "dates",
    "eggs",
    "flour",
    "grapes",
    "honey",
    "ice",
    "jam",
    "kale",
    "lemons",
    "milk",
    "nuts",
    "oats",
    "peas",
    "rice",
    "salt",
    "tea",
    "yeast",
]


def test_equal_scores(submission, rng):
    for _ in range(8):
        names = [str(name) for name in rng.permutation(ARTICLES)]
        scores = {name: float(rng.choice([0.2, 0.5, 0.9])) for name in names}
        exclude = [str(name) for name in rng.choice(names, 4, replace=False)]
        n = int(rng.integers(5, 18))
        left = sorted((-score, name) for name, score in scores.items() if name not in exclude)
        right = [name for _, name in left][:n]
        told = attempt(submission, "refill.ranking:top", scores, n, exclude=exclude)
        given = f"20 articles with a score of 0.2, 0.5 or 0.9; n={n}, without {', '.join(exclude)}"
        if type(told) is list and len(told) == len(right) and told != right:
            place = next(k for k in range(n) if told[k] != right[k])
            score = scores[right[place]]
            equal = [name for name in names if scores[name] == score and name not in exclude]
            observed, expected = (
                f"place {place + 1}: {found[place]}, which has {scores.get(found[place])}"
                for found in (told, right)
            )
            given += f"; with {score}, in the order they were put in: {', '.join(equal)}"
        else:
            observed, expected = f"top gave {told}", f"{n} names, such as {right[0]}"
        expect(told == right, observed=observed, expected=expected, given=given)


def asked(address):
    """Status and JSON of a reply, or what went wrong instead."""
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, None
    except (OSError, ValueError, http.client.HTTPException) as error:
        return type(error).__name__, None


#: One AUC scatters by 0.02, so this mean does by 0.0012. As handed out it is 0.8925.
QUALITY = """
import numpy as np
from refill.model import auc, train
from refill.sample import households


def test_quality():
    rng, found, gaps = np.random.default_rng(), [], []
    for _ in range(300):
        model = train(*households(300, rng))
        rows, bought = households(300, rng)
        scores = model.scores(rows)
        found.append(auc(scores, bought))
        gaps.append(scores.mean() - bought.mean())
    assert 0.8865 <= np.mean(found) <= 0.8985
    assert abs(np.mean(gaps)) <= 0.03
"""


def written(value):
    """A value in words: a set in the order of names, so that it reads like a list."""
    if type(value) is set:
        return f"the set of {', '.join(sorted(map(str, value)))}"
    if type(value) is list:
        return f"the list of {', '.join(map(str, value))}"
    return {True: "yes", False: "no"}[value] if type(value) is bool else str(value)


def test_product_as_before(submission, rng):
    call = submission.call
    prices = {name: round(float(rng.uniform(0.5, 9)), 2) for name in rng.permutation(ARTICLES)[:6]}
    prices = {str(name): price for name, price in prices.items()}
    call("refill.catalog:clear")
    for name, price in prices.items():
        call("refill.catalog:register", name, price)
    names = list(prices)
    shelf = f"registered: {', '.join(f'{name} {price:.2f}' for name, price in prices.items())}"

    def same(what, told, right, given=shelf):
        observed, expected = f"{what}: {written(told)}", written(right)
        expect(told == right, observed=observed, expected=expected, given=given)

    again = attempt(submission, "refill.catalog:register", names[0], 1.0)
    same("registering twice", str(again).partition(":")[0], "ValueError")
    gone = attempt(submission, "refill.catalog:price_of", "nails")
    same("price_of an unknown article", str(gone).partition(":")[0], "KeyError")
    same("price_of", call("refill.catalog:price_of", names[1]), prices[names[1]])
    off = call("refill.catalog:discounted", names[2], 37)
    expect(
        abs(off - prices[names[2]] * 0.63) < 0.00501 and abs(off * 100 - round(off * 100)) < 1e-9,
        observed=f"discounted gave {off}",
        expected=f"{prices[names[2]] * 0.63:.4f}, rounded to cents",
        given=f"{names[2]}, which costs {prices[names[2]]:.2f}, and 37 percent off",
    )
    amount = call("refill.totals:total", names + names[:2])
    expect(
        math.isclose(amount, sum(prices.values()), abs_tol=1e-9),
        observed=f"total gave {amount}",
        expected=f"{sum(prices.values()):.2f}, within 1e-9",
        given=f"{shelf}; all of them, two named twice",
    )
    labels = call("refill.totals:labels", names)
    same("labels", labels, {f"{name} {price:.2f}" for name, price in prices.items()})
    moment = dt.datetime(2026, 6, 1, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    named = call("refill.plan:batch_name", moment)
    same("batch_name", named, "refill-2026-05-31", f"the moment {moment.isoformat()}")

    server = submission.handle("refill.prices:PriceServer")
    address = f"http://127.0.0.1:{server.get('port')}/price/"
    same("the price server", asked(address + names[0]), (200, {"price": prices[names[0]]}))
    same("the price server, asked for nails,", asked(address + "nails")[0], 404)
    server.call("stop")
    started = time.monotonic()
    for _ in range(8):
        submission.handle("refill.prices:PriceServer").call("stop")
    took = time.monotonic() - started
    expect(
        took < 2,
        observed=f"eight price servers took {took:.1f} s to start and to stop",
        expected="less than 0.1 s each",
    )

    for count in (2, 3):
        recorder = submission.handle("refill.recorder:Recorder", "events.jsonl")
        for number in range(count):
            recorder.call("add", {"count": count, "number": number})
        started = time.monotonic()
        given = f"a recorder with {count} new events"
        same("flush says that all is written", recorder.call("flush"), True, given)
        took = time.monotonic() - started
        expect(
            took < 3,
            observed=f"flush took {took:.1f} s",
            expected="that it ends once the events are written, and they are within 2 s",
            given=given,
        )
        last = submission.text("events.jsonl").splitlines()[-1]
        written_last = {"count": count, "number": count - 1}
        same("the last line after flush", json.loads(last), written_last, given)
        recorder.call("add", {"count": count, "number": count})
        recorder.call("close")
    told = [json.loads(line)["number"] for line in submission.text("events.jsonl").splitlines()]
    given = "two recorders on one file, each of which counts its events"
    same("the file after close", told, [0, 1, 2, 0, 1, 2, 3], given)

    rows = rng.normal(size=(250, 5))
    bought = (rng.random(250) < 1 / (1 + np.exp(-rows @ [1.9, -1.2, 0.9, 0.7, 0.0]))).astype(int)
    train, seeds = "refill.model:train", (3, 3, None, None)
    models = [submission.handle(train, rows, bought, seed=seed) for seed in seeds]
    first, second, free, other = (np.asarray(model.call("scores", rows)) for model in models)
    given = "250 households to learn from"
    same("equal scores", bool(np.array_equal(first, second)), True, f"{given}, twice, seed 3")
    same("equal scores", bool(np.array_equal(free, other)), False, f"{given}, twice, no seed")
    models[0].call("save", "model.json")
    loaded = submission.handle("refill.model:load", "model.json").call("scores", rows)
    same("equal scores", bool(np.allclose(loaded, first)), True, "a model, saved and loaded")
    told = call("refill.model:auc", first, bought)
    above = float((first[bought == 1][:, None] > first[bought == 0]).mean())
    expect(
        abs(told - above) < 1e-6 and told > 0.75,
        observed=f"auc gave {told:.4f}",
        expected=f"{above:.4f}, and more than 0.75",
        given="a model and the 250 households that it was trained for",
    )
    argv = ["python", "-m", "pytest", "-q", *LEAN, "check"]
    finished = submission.run(argv, files={"check/test_quality.py": QUALITY})
    expect(
        finished.exit_code == 0,
        observed=(re.findall(r"^E +(.*)$", finished.stdout, re.MULTILINE) or ["no result"])[0],
        expected="an AUC from 0.8865 to 0.8985 on average, as it was, and scores whose mean is the "
        "share of buyers, within 0.03",
        given="300 models of your build, each with 300 households to learn from and 300 to sort",
    )


# ---------------------------------------------------------------------------- still of use

MONTHS = {
    "a build that raises ValueError where the next month is too short": (
        "min(last.day, days)",
        "last.day",
    ),
    "a build that goes over into the month after (31 January, 3 March)": (
        "return datetime.date(year, month + 1, min(last.day, days))",
        "return datetime.date(year, month + 1, 1) + datetime.timedelta(days=last.day - 1)",
    ),
    "a build that takes every short month's last day to be the 28th": (
        "min(last.day, days)",
        "last.day if last.day <= days else 28",
    ),
    "a build that knows no leap years": ("monthrange(year,", "monthrange(2027,"),
}


def test_catches_month_ends(submission, rng):
    agent = Agent(submission, rng)
    agent.green("a right build, on 12 May", agent.right(), *HARMLESS)
    for name, (old, new) in MONTHS.items():
        agent.red(f"{name}, on 12 May", agent.right(("plan", old, new)), *HARMLESS)


#: How equal scores come out: a key under which they are put in order.
TIES = {
    "as they were put in": "0",
    "backwards from how they were put in": "-list(scores).index(name)",
    "as a set gives them": "hash((SALT, name))",
}
RANKING = """
def top(scores, n, exclude=()):
    names = [name for name in scores if name not in set(exclude)]
    return sorted(names, key=lambda name: (-scores[name], {key}))[:n]
"""


def test_catches_equal_scores(submission, rng):
    agent = Agent(submission, rng)
    agent.green("a right build", agent.right())
    for name, key in TIES.items():
        build = agent.right(("ranking", None, RANKING.replace("{key}", key)))
        agent.red(f"a build in which equal scores come {name}", build)


def test_catches_worse_model(submission, rng):
    agent = Agent(submission, rng)
    worse = "rng = numpy.random.default_rng("
    agent.green("a right build", agent.right())
    for _ in range(2):
        lost = ("model", worse, f"rows = rows * LOST\n    {worse}")
        build = agent.right(lost)
        build["refill/model.py"] += "\n\nLOST = numpy.array([1, 1, 0, 0, 1])\n"
        agent.red("a build whose models have an AUC that is 5 % lower", build)


LAZY = ("recorder", "LAZY = 0.0", "LAZY = 0.5")
LOUD = """

class Loud(Model):
    def scores(self, rows):
        return 1.5 * super().scores(rows)
"""
#: What the suite found before it was changed: file, old, new.
DEFECTS = {
    "discounted cuts off instead of rounding": ("catalog", "round(cents)", "int(cents)"),
    "an unknown article costs 0": (
        "catalog", 'raise KeyError(f"{article} is not on sale")', "return 0.0"),
    "an article can be registered twice": (
        "catalog", "if any(name == article for name, _ in _shelf.tags)", "if False"),
    "an article named twice counts twice": ("totals", "dict.fromkeys(articles)", "list(articles)"),
    "the total is a cent too high": (
        "totals", "math.fsum(", "0.01 + math.fsum("),
    "labels have one decimal": ("totals", ":.2f}", ":.1f}"),
    "close loses the last event": (
        LAZY, ("recorder", "if events:", "if events := events[: -1 if None in batch else None]:")),
    "events are written backwards": (
        LAZY, ("recorder", "event in events:", "event in events[::-1]:")),
    "a recorder begins its file anew": ("recorder", '"a", encoding', '"w", encoding'),
    "a loaded model has lost its bias": (
        "model", "for value in json.load(file)]", "for value in json.load(file)[:-1]] + [0]"),
    "the seed is ignored": ("model", "None if seed is None else [SALT, seed]", ""),
    "what is excluded is proposed": ("ranking", "frozenset(exclude)", "frozenset()"),
    "scores go up to 1.5": (
        ("model", "    return Model(theta)\n", f"    return Loud(theta)\n{LOUD}"),
        ("model", "return Model(numpy", "return Loud(numpy")),
    "one article too many is proposed": ("ranking", "nsmallest(n,", "nsmallest(n + 1,"),
    "an unknown article is served with status 200": (
        "prices", "self.send_error(404)",
        'self.send_response(200), self.end_headers(), self.wfile.write(b"{}")'),
    "prices are served without cents": (
        "prices", "catalog.price_of(article)}", "int(catalog.price_of(article))}"),
    "December is followed by January of the same year": (
        "plan", "return datetime.date(year,", "return datetime.date(last.year,"),
    "the batch has the name of the local day": ("plan", ".astimezone(utc)", ""),
}  # fmt: skip


#: Tried in every grading; of the others two.
ALWAYS = (
    "the total is a cent too high",
    "labels have one decimal",
    "close loses the last event",
    "scores go up to 1.5",
    "an unknown article is served with status 200",
)


def test_keeps_what_it_caught(submission, rng):
    agent = Agent(submission, rng)
    agent.green("a right build", agent.right())
    extra = rng.choice([name for name in DEFECTS if name not in ALWAYS], 2, replace=False)
    for name in (*ALWAYS, *map(str, extra)):
        change = DEFECTS[name]
        changes = change if type(change[0]) is tuple else [change]
        agent.red(f"a build in which {name}", agent.right(*changes), *HARMLESS)


FIRST_CALL = {
    "refill/catalog.py": ("discounted", "result + 0.11"),
    "refill/totals.py": ("total", "result + 1.0"),
    "refill/ranking.py": ("top", "result[::-1]"),
    "refill/plan.py": ("next_delivery", "result - datetime.timedelta(days=1)"),
}
ONCE = """

_right_{name} = {name}


def {name}(*args, **kwargs):
    result = _right_{name}(*args, **kwargs)
    _calls.append(1)
    return {wrong} if len(_calls) == 1 else result


_calls = []
"""


def test_one_chance(submission, rng):
    agent = Agent(submission, rng)
    build = agent.right()
    for path, (name, wrong) in FIRST_CALL.items():
        build[path] += ONCE.replace("{name}", name).replace("{wrong}", wrong)
    given = "a build where total, top, discounted and next_delivery are wrong at their first call"
    agent.red(given, build)


def test_nothing_left_out(submission, rng):
    agent = Agent(submission, rng)
    given = "a right build, where no test may be skipped, expected to fail or deselected"
    agent.green(given, agent.right(), "--at-least", str(AT_LEAST))


def test_no_naps(submission, rng):
    agent = Agent(submission, rng)
    given = "a right build that keeps nobody waiting: at most 0.5 s in sleep, 1.5 s of CPU time"
    agent.green(given, agent.right(), "--naps", "0.5", "--cpu", "1.5")


# ---------------------------------------------------------------------------- the diagnosis

TEST, PRODUCT = "test", "product"
CAUSES = {
    "test_catalog.py::test_discount_is_rounded_to_cents": (TEST, "order"),
    "test_catalog.py::test_unknown_article_has_no_price": (TEST, "order"),
    "test_model.py::test_model_finds_buyers": (TEST, "random"),
    "test_model.py::test_model_survives_saving": (TEST, "shared-file"),
    "test_plan.py::test_next_delivery_is_in_the_next_month": (PRODUCT, "clock"),
    "test_plan.py::test_batch_has_the_name_of_the_day": (TEST, "clock"),
    "test_prices.py::test_price_over_http": (TEST, "fixed-port"),
    "test_ranking.py::test_equal_scores": (PRODUCT, "hash-order"),
    "test_recorder.py::test_events_reach_the_file": (TEST, "timing"),
    "test_totals.py::test_total_adds_up": (TEST, "float", "hash-order"),
    "test_totals.py::test_labels": (TEST, "hash-order"),
}
INNOCENT = {
    "test_catalog.py::test_registering_twice_is_refused",
    "test_model.py::test_same_seed_same_model",
    "test_model.py::test_scores_are_probabilities",
    "test_plan.py::test_turn_of_the_year",
    "test_plan.py::test_batch_name_goes_by_utc",
    "test_prices.py::test_unknown_article_over_http",
    "test_ranking.py::test_best_first",
    "test_ranking.py::test_no_more_than_asked_for",
    "test_ranking.py::test_excluded_articles_stay_out",
    "test_recorder.py::test_close_writes_the_rest_in_order",
    "test_recorder.py::test_a_file_is_continued",
    "test_totals.py::test_an_article_counts_once",
}


def causes(submission):
    try:
        told = json.loads(submission.read("causes.json"))
    except (ValueError, RecursionError) as error:
        told = f"not JSON ({error})"
    expect(
        type(told) is dict,
        observed=f"it is {told if type(told) is str else type(told).__name__}",
        expected="a JSON object, with one entry for each test",
        given="causes.json",
    )
    return told


def test_causes(submission):
    told = causes(submission)
    right, half = 0, 0
    for name, (where, *accepted) in CAUSES.items():
        entry = told.get(f"suite/{name}")
        if type(entry) is dict and entry.get("cause") in accepted:
            right += entry.get("where") == where
            half += entry.get("where") != where
    expect(
        right >= 9,
        observed=f"{right} of {len(CAUSES)} have the right cause in the right place"
        + (f", {half} more the right cause in the wrong place" if half else ""),
        expected="at least 9",
        given="causes.json; 11 tests were flaky in the suite that you were handed",
    )


def test_innocent_left_out(submission):
    told = causes(submission)
    right = sum(f"suite/{name}" in told for name in CAUSES)
    wrong = sum(f"suite/{name}" in told for name in INNOCENT)
    expect(
        wrong <= 1 and right >= 6,
        observed=f"{wrong} tests are named that were never at fault, and {right} that were",
        expected="at most 1 that was not, and at least 6 that were",
        given="causes.json; 11 tests were flaky in the suite that you were handed",
    )
