"""What the server and its gateway say to each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linebus.server import pipes
from tests.support import Pipe

texts = st.lists(st.binary(max_size=20), max_size=3)
to_gateway = st.builds(pipes.Publish, texts) | st.builds(pipes.Broadcast, texts)
came = st.builds(pipes.Came, texts, st.lists(texts, max_size=3))


@given(st.lists(to_gateway, max_size=4), st.lists(came, max_size=4))
def test_messages_come_as_they_were_sent_in_both_directions(
    orders: list[pipes.ToGateway], reports: list[pipes.Came]
) -> None:
    for types, messages in ((pipes.ToGateway, orders), (pipes.Came, reports)):
        pipe = Pipe(types)
        for message in messages:
            pipe.writer.write(message)
        assert pipe.reader.read() == messages
        assert not pipe.reader.is_at_end
        pipe.close()
