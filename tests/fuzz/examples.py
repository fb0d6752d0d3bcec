"""How many examples a fuzz target tries, and the bytes that peers may send."""

from __future__ import annotations

import os

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.wire.test_messages import EXAMPLES

# `make fuzz` sets it; the tests try a few.
EXAMPLES_MAX = int(os.environ.get("LINEBUS_FUZZ_EXAMPLES", "150"))

fuzzed = settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Whatever MessagePack can say.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=40)
)
THINGS = st.recursive(
    SCALARS,
    lambda some: (
        st.lists(some, max_size=6) | st.dictionaries(st.text(max_size=5), some, max_size=4)
    ),
    max_leaves=12,
)
# Real messages, of which one part is something else.
LISTED = st.sampled_from([listed for _, listed in EXAMPLES])


@st.composite
def nearly_messages(draw: st.DrawFn) -> list[object]:
    """A list of real messages, some with a part that is wrong, missing or too much."""
    body: list[object] = []
    for listed in draw(st.lists(LISTED, max_size=4)):
        parts = list(listed)
        match draw(st.sampled_from(["as it is", "wrong", "missing", "too much"])):
            case "wrong":
                parts[draw(st.integers(0, len(parts) - 1))] = draw(THINGS)
            case "missing":
                del parts[draw(st.integers(0, len(parts) - 1))]
            case "too much":
                parts.append(draw(THINGS))
        body.append(parts)
    return body


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An encoded body in which some bytes are not what they were."""
    data = bytearray(msgspec.msgpack.encode(draw(nearly_messages())))
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])


BODIES = (
    st.binary(max_size=200)
    | THINGS.map(msgspec.msgpack.encode)
    | nearly_messages().map(msgspec.msgpack.encode)
    | damaged()
)
