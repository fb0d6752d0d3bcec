from linebus import limits
from linebus.core.clients import Books, Client
from linebus.core.directory import Directory
from linebus.core.workers import Worker
from linebus.wire.messages import Offer


def offers(*names: str) -> list[Offer]:
    return [Offer(name, f"{name} X", "") for name in names]


def joined(directory: Directory, *names: str) -> Worker:
    worker = Worker(b"w" * 16, 1, "test")
    directory.join(worker, offers(*names), 0.0)
    return worker


def test_workers_with_the_same_services_share_a_pool() -> None:
    directory = Directory()
    one, two, other = (
        joined(directory, "a", "b"),
        joined(directory, "b", "a"),
        joined(directory, "a"),
    )
    assert one.pool is two.pool
    assert other.pool is not one.pool
    service = directory.get("a")
    assert service is not None
    assert service.pools == [one.pool, other.pool]


def test_a_service_is_absent_once_its_last_worker_has_left() -> None:
    directory = Directory()
    one, two = joined(directory, "a", "b"), joined(directory, "a")
    assert [service.name for service in directory.leave(one, 5.0)] == ["b"]
    assert [service.name for service in directory.leave(two, 6.0)] == ["a"]
    outcome, text = directory.absence("a", 7.0)
    assert outcome == "no_worker"
    assert "linebus work MODULE:OBJECT" in text


def test_an_unknown_name_gets_the_nearest_one_that_was_offered() -> None:
    directory = Directory()
    joined(directory, "isprime")
    directory.expect("isprimes", 0.0)
    outcome, text = directory.absence("isprmie", 0.0)
    assert outcome == "no_service"
    assert text.endswith("did you mean 'isprime'?")


def test_a_name_of_the_exercise_says_how_to_start_its_worker() -> None:
    outcome, text = Directory().absence("gcd", 0.0)
    assert (outcome, text.split("; ")[-1]) == ("no_service", "start one with: linebus work gcd")


def test_control_characters_of_a_name_are_escaped() -> None:
    _, text = Directory().absence("\x1b[31mred", 0.0)
    assert "\x1b" not in text


def test_names_that_were_only_asked_for_are_bounded() -> None:
    directory = Directory()
    client = Client(b"c" * 16, 1)
    for n in range(limits.EXPECTED_SERVICES_MAX):
        service = directory.expect(f"n{n}", 0.0)
        assert service is not None
        Books(client, service)
    assert directory.expect("one more", 0.0) is None
    assert directory.expect("n1", 0.0) is not None
    assert len(directory.never_offered()) == limits.EXPECTED_SERVICES_MAX


def test_names_that_were_only_asked_for_go_where_others_are_asked_for() -> None:
    directory = Directory()
    missed = directory.expect("missed", 0.0)
    assert missed is not None
    books = Books(Client(b"c" * 16, 1), missed)
    for n in range(2 * limits.EXPECTED_SERVICES_MAX):
        assert directory.expect(f"n{n}", 0.0) is not None
    assert directory.get("missed") is missed
    books.close()
    directory.forget_never_offered()
    assert directory.never_offered() == []
    assert directory.get("missed") is None


def test_there_is_room_for_so_many_services_and_no_more() -> None:
    directory = Directory()
    assert directory.make_room_for(offers(*[f"n{n}" for n in range(limits.SERVICES_MAX)]))
    joined(directory, *[f"n{n}" for n in range(limits.SERVICES_MAX)])
    assert not directory.make_room_for(offers("another"))
    assert directory.make_room_for(offers("n1"))


def test_names_that_nobody_would_miss_make_room_the_longest_absent_first() -> None:
    directory = Directory()
    for n in range(limits.SERVICES_MAX):
        worker = joined(directory, f"n{n}")
        if n in (3, 4, 5):
            directory.leave(worker, 10.0 - n)
    asked = directory.get("n5")
    assert asked is not None
    Books(Client(b"c" * 16, 1), asked)
    assert directory.make_room_for(offers("another", "n3"))
    assert directory.get("n4") is None, "n3 comes back, n5 is asked for"
    joined(directory, "another", "n3")
    assert not directory.make_room_for(offers("one more"))
    assert directory.get("n5") is asked
    assert "n4" not in directory.offered_names()


def test_the_brokers_own_services_make_room_for_nobody() -> None:
    directory = Directory()
    directory.add_own(Offer("linebus.server", "", ""), 0.0)
    joined(directory, *[f"n{n}" for n in range(limits.SERVICES_MAX - 1)])
    assert not directory.make_room_for(offers("another"))


def test_the_cure_names_what_can_be_started() -> None:
    directory = Directory()
    directory.leave(joined(directory, "price"), 0.0)
    outcome, text = directory.absence("price", 1.0)
    assert (outcome, text) == (
        "no_worker",
        "no worker offers 'price' now; start one with: linebus work MODULE:OBJECT",
    )


def test_what_is_offered_later_is_listed_and_suggested_too() -> None:
    directory = Directory()
    joined(directory, "gcd")
    assert directory.offered_names() == ["gcd"]
    assert directory.absence("ehco", 0.0)[1].endswith("no worker has offered it")
    joined(directory, "echo")
    assert directory.offered_names() == ["echo", "gcd"]
    assert directory.absence("ehco", 0.0)[1].endswith("did you mean 'echo'?")
