import pytest

from linebus import errors
from linebus.client.calls import line_of, told, value_of
from linebus.client.reply import Reply
from linebus.core.admin import ServicesPage
from linebus.core.lifecycle import Outcome


def test_a_call_becomes_a_line() -> None:
    assert line_of("gcd", (12, 18)) == "gcd 12 18"
    assert line_of("note", (True, 1.5, "two words")) == "note true 1.5 two words"
    assert line_of("now", ()) == "now"


@pytest.mark.parametrize("service", ["", "two words", "7up", "a" * 65, "gcd\n"])
def test_a_name_that_no_service_can_have_is_refused(service: str) -> None:
    with pytest.raises(errors.UsageError, match="cannot be the name of a service"):
        line_of(service, ())


def test_an_argument_without_a_form_is_refused() -> None:
    with pytest.raises(errors.UsageError, match="a list cannot be an argument"):
        line_of("gcd", ([1],))


@pytest.mark.parametrize(
    ("text", "value"), [("6", 6), ('"prime"', "prime"), ("[1, 2]", [1, 2]), ("null", None)]
)
def test_a_reply_becomes_a_value(text: str, value: object) -> None:
    assert value_of("any", Reply(Outcome.ANSWERED, text)) == value


@pytest.mark.parametrize(
    ("outcome", "raised"),
    [
        (Outcome.FAILED, errors.Failed),
        (Outcome.NO_SERVICE, errors.NoService),
        (Outcome.NO_WORKER, errors.NoWorker),
        (Outcome.OVERLOADED, errors.Overloaded),
        (Outcome.QUARANTINED, errors.Quarantined),
    ],
)
def test_any_other_outcome_is_raised(outcome: Outcome, raised: type[errors.NotAnswered]) -> None:
    with pytest.raises(raised, match="why") as caught:
        value_of("any", Reply(outcome, "why", 7, 2))
    assert type(caught.value) is raised
    assert (caught.value.code, caught.value.worker, caught.value.attempt) == (outcome, 7, 2)


def test_a_sentence_is_no_value() -> None:
    with pytest.raises(errors.ProtocolError, match=r"'isprime' gives no value.*use ask"):
        value_of("isprime", Reply(Outcome.ANSWERED, "97 is prime"))


def test_what_the_server_tells_is_of_the_kind_that_is_wanted() -> None:
    page = Reply(Outcome.ANSWERED, '{"services": [], "next": "b"}')
    assert told(page, ServicesPage) == ServicesPage([], "b")
    for text in ("no JSON", '{"version": 3}'):
        with pytest.raises(errors.VersionMismatch, match="install the same version"):
            told(Reply(Outcome.ANSWERED, text), ServicesPage)
    with pytest.raises(errors.VersionMismatch):
        told(Reply(Outcome.NO_SERVICE, "unknown service 'linebus.services'"), ServicesPage)
    with pytest.raises(errors.Overloaded):
        told(Reply(Outcome.OVERLOADED, "ask later"), ServicesPage)
