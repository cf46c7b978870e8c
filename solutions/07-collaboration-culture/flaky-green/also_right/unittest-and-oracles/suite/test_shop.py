import http.client
import json
from decimal import ROUND_HALF_UP, Decimal

from refill import catalog
from refill.prices import PriceServer
from refill.totals import labels, total

from .base import Case


class Shop(Case):
    def setUp(self):
        super().setUp()
        self.cents = {f"article-{i}": self.random.randrange(50, 900) for i in range(9)}
        self.cents["article-0"] = 649
        for article, cents in self.cents.items():
            catalog.register(article, cents / 100)
        self.articles = list(self.cents)

    def test_prices(self):
        for article, cents in self.cents.items():
            self.assertEqual(catalog.price_of(article), cents / 100)

    def test_unknown(self):
        with self.assertRaises(KeyError):
            catalog.price_of("nails")

    def test_twice(self):
        with self.assertRaises(ValueError):
            catalog.register(self.articles[0], 1.0)

    def test_discounts(self):
        for cents, percent in ((120, 37), (649, 15), (333, 10), (999, 33)):
            catalog.clear()
            catalog.register("x", cents / 100)
            exact = Decimal(cents) * (100 - percent) / 100
            right = int(exact.quantize(Decimal(1), ROUND_HALF_UP)) / 100
            self.assertEqual(catalog.discounted("x", percent), right)

    def test_total(self):
        chosen = self.random.sample(self.articles, 5)
        right = sum(self.cents[article] for article in chosen) / 100
        self.assertAlmostEqual(total(chosen), right)
        self.assertAlmostEqual(total(chosen + chosen[:2]), right)

    def test_labels(self):
        right = {f"{article} {cents // 100}.{cents % 100:02}" for article, cents in self.cents.items()}
        self.assertEqual(set(labels(self.articles)), right)

    def get(self, path):
        with PriceServer() as server:
            line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            line.request("GET", path)
            reply = line.getresponse()
            body = reply.read()
            line.close()
        return reply.status, body

    def test_served(self):
        status, body = self.get("/price/article-0")
        self.assertEqual((status, json.loads(body)), (200, {"price": 6.49}))

    def test_not_served(self):
        self.assertEqual(self.get("/price/nails")[0], 404)
