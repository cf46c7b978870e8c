import calendar
import datetime
import json
import string
import threading

import numpy
from refill import plan, ranking
from refill.model import auc, load, train
from refill.recorder import Recorder
from refill.sample import households

from .base import Case


class Ranking(Case):
    def propose(self, levels, n, left_out=0):
        names = self.random.sample(string.ascii_lowercase, 20)
        scores = {name: self.random.choice(levels) for name in names}
        exclude = names[:left_out]
        right = sorted(names[left_out:], key=lambda name: (-scores[name], name))[:n]
        self.assertEqual(ranking.top(scores, n, exclude=exclude), right)

    def test_equal_scores(self):
        for n in (1, 5, 20):
            self.propose([0.5], n)

    def test_few_levels(self):
        for n in (3, 8, 30):
            self.propose([0.2, 0.5, 0.9], n)

    def test_excluded(self):
        for n in (3, 8, 30):
            self.propose([0.2, 0.5, 0.9], n, left_out=5)

    def test_all_different(self):
        self.propose([i / 997 for i in range(997)], 7)

    def test_one(self):
        self.assertEqual(ranking.top({"a": 0.1, "b": 0.2}, 1), ["b"])

    def test_none(self):
        self.assertEqual(ranking.top({}, 3), [])


class Plan(Case):
    def check(self, last):
        year, month = (last.year, last.month + 1) if last.month < 12 else (last.year + 1, 1)
        day = min(last.day, calendar.monthrange(year, month)[1])
        self.assertEqual(plan.next_delivery(last), datetime.date(year, month, day))

    def test_month_ends(self):
        for year in (2027, 2028):
            for month in range(1, 13):
                self.check(datetime.date(year, month, calendar.monthrange(year, month)[1]))

    def test_any_day(self):
        for _ in range(50):
            self.check(datetime.date.fromordinal(self.random.randrange(738_000, 742_000)))

    def test_today(self):
        self.check(datetime.date.today())

    def test_batch_in_utc(self):
        for hours in (-11, -1, 0, 9, 14):
            zone = datetime.timezone(datetime.timedelta(hours=hours))
            moment = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC).astimezone(zone)
            self.assertEqual(plan.batch_name(moment), "refill-2026-03-01")

    def test_batch_in_utc_late(self):
        zone = datetime.timezone(datetime.timedelta(hours=9))
        moment = datetime.datetime(2026, 3, 2, 8, 59, tzinfo=zone)
        self.assertEqual(plan.batch_name(moment), "refill-2026-03-01")


class Models(Case):
    def setUp(self):
        super().setUp()
        self.rng = numpy.random.default_rng(8)
        self.rows, self.bought = households(200, self.rng)

    def test_quality(self):
        found = []
        for seed in range(60):
            model = train(*households(300, self.rng), seed=seed)
            rows, bought = households(300, self.rng)
            found.append(auc(model.scores(rows), bought))
        self.assertGreater(sum(found) / 60, 0.866)

    def test_auc(self):
        self.assertEqual(auc(numpy.array([0.1, 0.4, 0.3]), numpy.array([0, 1, 1])), 1.0)

    def test_repeated(self):
        first, second = (train(self.rows, self.bought, seed=1).scores(self.rows) for _ in "ab")
        self.assertTrue(numpy.allclose(first, second, rtol=0, atol=1e-12))

    def test_probabilities(self):
        scores = train(self.rows, self.bought).scores(self.rows)
        self.assertTrue(((scores >= 0) & (scores <= 1)).all())

    def test_saved(self):
        model = train(self.rows, self.bought)
        model.save(self.folder / "model")
        again = load(self.folder / "model").scores(self.rows)
        self.assertTrue(numpy.allclose(again, model.scores(self.rows)))


class Recording(Case):
    def numbers(self):
        return [json.loads(line)["n"] for line in (self.folder / "r").read_text().splitlines()]

    def test_flush(self):
        recorder = Recorder(str(self.folder / "r"))
        for n in range(5):
            recorder.add({"n": n})
        self.assertTrue(recorder.flush(20))
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4])
        recorder.close()

    def test_close(self):
        for start in (0, 30):
            recorder = Recorder(str(self.folder / "r"))
            adding = threading.Thread(
                target=lambda: [recorder.add({"n": n}) for n in range(start, start + 30)]
            )
            adding.start()
            adding.join()
            recorder.close()
        self.assertEqual(self.numbers(), list(range(60)))
