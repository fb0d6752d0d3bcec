from __future__ import annotations

import pytest

from linebus.cli.unanswered import Unanswered


def waiting_for(*lines: str) -> Unanswered:
    unanswered = Unanswered()
    for line in lines:
        unanswered.add(line)
    return unanswered


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("isprime 97", "97 is prime"),
        ("isprime 007", "7 is prime"),
        ("isprime 7", "isprime 7\nThe number 7 is prime"),
        ("isprime 7", "Primer: 7 is prime"),
        ("isprime -7", "-7 is not prime"),
        ("isprime -0", "0 is not prime"),
        ("isprime " + "9" * 10_000, "9" * 10_000 + " is not prime"),
        ("gcd 12 18", "gcd for 12 18 is 6"),
        ("gcd 12 18", "GCD of 12 and 18 is 6."),
        ("gcd 4 4", "gcd for 4 4 is 4"),
        ("isprime x", "error: isprime x: 'x' is not an integer; usage: isprime N"),
        ("isprime 1.5", "error: isprime 1.5: '1.5' is not an integer; usage: isprime N"),
        ("foo 7", "error: unknown service 'foo'; no worker has offered it"),
        (
            "isprime 7",
            "error: no worker offers 'isprime' now; start one with: linebus work",
        ),
        ("linebus/1 6666", "error: unknown service 'linebus/1'; no worker has offered it"),
        ("echo some words", "You said: some words (echo)"),
    ],
)
def test_a_result_or_an_error_answers_its_line(line: str, text: str) -> None:
    unanswered = waiting_for(line)
    unanswered.hear(text)
    assert len(unanswered) == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("isprime 97", "isprime 97"),
        ("isprime 97", " isprime 97\n"),
        ("isprime 97", "91 is not prime"),
        ("isprime 97", "197 is prime"),
        ("isprime 7", "-7 is not prime"),
        ("gcd 12 18", "12 is not prime"),
        ("gcd 4 4", "4 is not prime"),
        ("hello", "hello"),
        ("isprime x", "error: unknown service 'foo'; no worker has offered it"),
        ("***", "7 is prime"),
        ("", ""),
    ],
)
def test_an_echo_or_the_result_of_another_line_answers_nothing(line: str, text: str) -> None:
    unanswered = waiting_for(line)
    unanswered.hear(text)
    assert len(unanswered) == 1


def test_a_result_answers_the_line_with_which_it_has_most_in_common() -> None:
    unanswered = waiting_for("isprime 2", "pow 4 2")
    unanswered.hear("4 to the 2 is 16")
    unanswered.hear("2 is prime")
    assert len(unanswered) == 0


def test_a_doubled_result_that_names_its_service_answers_no_other_line() -> None:
    unanswered = waiting_for("isprime 2", "gcd 4 2")
    unanswered.hear("gcd for 4 2 is 2")
    unanswered.hear("gcd for 4 2 is 2")
    assert len(unanswered) == 1


def test_the_echo_of_another_line_is_an_echo() -> None:
    unanswered = waiting_for("isprime 12", "gcd 12 18")
    unanswered.hear("gcd 12 18")
    assert len(unanswered) == 2


def test_equal_lines_each_have_their_result() -> None:
    unanswered = waiting_for("isprime 7", "isprime 7")
    unanswered.hear("7 is prime")
    assert len(unanswered) == 1


def test_an_error_belongs_to_the_service_it_names_first() -> None:
    unanswered = waiting_for("isprime 7", "isprim 7")
    unanswered.hear("error: unknown service 'isprim'; did you mean 'isprime'?")
    unanswered.hear("isprim is not what I said")
    unanswered.hear("7 is prime")
    assert len(unanswered) == 0


def test_one_may_give_up_on_all_lines() -> None:
    unanswered = waiting_for("a", "b")
    unanswered.clear()
    assert len(unanswered) == 0
