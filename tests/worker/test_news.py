"""What a guardian tells: a sentence for people, an object for programs."""

from __future__ import annotations

import msgspec
import pytest

from linebus.worker.news import (
    InSession,
    News,
    NoServerYet,
    Offering,
    Reloaded,
    ServerFull,
    WrongPorts,
)


@pytest.mark.parametrize(
    ("news", "sentence", "facts"),
    [
        (
            Offering(["gcd"], 1),
            "offering gcd with 1 executor",
            {"event": "offering", "services": ["gcd"], "executors": 1},
        ),
        (
            Offering(["gcd", "price"], 2),
            "offering gcd, price with 2 executors",
            {"event": "offering", "services": ["gcd", "price"], "executors": 2},
        ),
        (
            Reloaded(["gcd", "price"], ["shop.py", "till.py"]),
            "reloaded after a change of shop.py, till.py; offering gcd, price",
            {
                "event": "reloaded",
                "services": ["gcd", "price"],
                "changed": ["shop.py", "till.py"],
            },
        ),
        (
            Reloaded(["gcd"], []),
            "reloaded; offering gcd",
            {"event": "reloaded", "services": ["gcd"], "changed": []},
        ),
        (
            InSession("tcp://127.0.0.1:5555"),
            "in session with tcp://127.0.0.1:5555",
            {"event": "in_session", "address": "tcp://127.0.0.1:5555"},
        ),
        (
            NoServerYet("tcp://127.0.0.1:5555"),
            "no server at tcp://127.0.0.1:5555 yet; waiting for one",
            {"event": "no_server", "address": "tcp://127.0.0.1:5555"},
        ),
        (
            ServerFull("tcp://127.0.0.1:5555", "it is full"),
            "tcp://127.0.0.1:5555 takes no more workers now: it is full; waiting for room",
            {"event": "server_full", "address": "tcp://127.0.0.1:5555", "reason": "it is full"},
        ),
        (
            WrongPorts("", "port 1 is a REP socket", "give others"),
            "port 1 is a REP socket; give others; trying on",
            {
                "event": "wrong_ports",
                "worker_inputs": "",
                "worker_outputs": "port 1 is a REP socket",
                "cure": "give others",
            },
        ),
    ],
)
def test_news_are_a_sentence_and_facts(news: News, sentence: str, facts: dict[str, object]) -> None:
    assert str(news) == sentence
    assert msgspec.json.decode(msgspec.json.encode(news)) == facts
