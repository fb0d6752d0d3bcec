"""Every bound and default of linebus, with its unit in its name, and what ties them together.

A number that limits something stands here and nowhere else. `_max` ends a bound, `_s` a duration
in seconds. The asserts at the end say which of them depend on each other.
"""

from __future__ import annotations

# -- addresses -------------------------------------------------------------------------------
HOST = "127.0.0.1"
CLIENT_INPUTS_PORT = 5555
CLIENT_OUTPUTS_PORT = 5556
WORKER_INPUTS_PORT = 5557
WORKER_OUTPUTS_PORT = 5558
PORT_MAX = 65_535
ADDRESS = f"tcp://{HOST}:{CLIENT_INPUTS_PORT}"

# -- sizes on the wire -----------------------------------------------------------------------
LINE_BYTES_MAX = 256 * 1024
TEXT_BYTES_MAX = 256 * 1024
NAME_CHARS_MAX = 64
LINES_PER_MESSAGE_MAX = 4096
# A peer fills a message up to the target and may overshoot it by one line; the server refuses
# frames above the maximum. Peers accept more, since a message of the server's may be a little
# longer than the one it came from.
MESSAGE_BYTES_TARGET = 512 * 1024
MESSAGE_BYTES_MAX = 1024 * 1024
PEER_MESSAGE_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
MESSAGES_PER_BODY_MAX = 4096
# The longest message that means something has three frames, with REQ_CORRELATE four.
FRAMES_MAX = 8
# What a REQ client's library puts before a line: libzmq's, with REQ_CORRELATE, 4 bytes.
REQUEST_ID_BYTES_MAX = 256
# The largest number of a line; exact in every language's double.
NUMBER_MAX = 2**53 - 1
# Python's int() and str() refuse more decimal digits by default; longer numbers go in halves.
INT_DIGITS_MAX = 4_300
INT_BITS_MAX = 14_000

SESSION_BYTES = 16
TOKEN_BYTES = 16
KEY_BYTES = 32

# -- sockets ---------------------------------------------------------------------------------
# High-water marks are memory per peer before Python sees a byte, so they are small; what waits
# longer waits in the broker's books.
SERVER_HWM_MESSAGES = 64
PLAIN_RECEIVE_HWM_MESSAGES = 8
PLAIN_FRAME_BYTES_MAX = 64 * 1024
PEER_HWM_MESSAGES = 64
# More than an honest server sends that is not read: where a mark is reached libzmq 4.3.5 aborts the
# process if the server goes meanwhile and a heartbeat is due.
PEER_RECEIVE_HWM_MESSAGES = 65_536
PLAIN_HWM_MESSAGES = 4_000
LINGER_MS = 500
HANDSHAKE_MS = 2_000
# A question for a connection that is not answered so long is asked anew.
CONNECT_MS = 1_000
RECONNECT_MS = 50
RECONNECT_MS_MAX = 500
# ZMTP heartbeats find hosts that vanished without closing the connection.
ZMTP_HEARTBEAT_MS = 5_000
LISTEN_BACKLOG = 1_024
# Of one context of libzmq; how many connections they have is another matter.
SOCKETS_MAX = 4_096
DRAIN_MESSAGES_MAX = 256
# A round of the server's loop receives no longer than this from one socket.
RECEIVE_S = 0.02
# A round that took longer, or came later, than this is no silence of the peers'.
STALL_S = 0.2
# A client's host that vanished is noticed by the kernel, invisibly to whoever speaks ZMTP there.
KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 20
KEEPALIVE_PROBES = 3
# No duration in a message is longer; a peer must not be told to wait for ever.
WAIT_S_MAX = 1_000_000.0
# A deadline that is over already is told as the shortest time there is.
DEADLINE_LEAST_S = 1e-6
STALLED_RETRY_S = 0.02
# The longest wait: zmq_poll takes a C int of milliseconds; nothing here minds being woken up once
# in ten days.
POLL_MS_MAX = 10**9

# -- clients ---------------------------------------------------------------------------------
WINDOW_LINES = 32_768
WINDOW_BYTES = 8 * 1024 * 1024
ACK_LINES = 1_024
# An acknowledgement of its own is worth a message only once it lets the server forget this much.
IDLE_ACK_LINES = 64
# Lines of one client in the broker's books: its window, and what it has not acknowledged yet.
# One window and the part that may overshoot it, twice: a cut may lose all that was acknowledged.
CLIENT_LINES_MAX = 2 * (WINDOW_LINES + LINES_PER_MESSAGE_MAX) + ACK_LINES
CLIENT_ABSENCE_S_MAX = 600.0
CLIENTS_MAX = 16_384
SERVICES_PER_CLIENT_MAX = 256
# Names that nobody has offered yet, asked for while the broker has just started.
UNOFFERED_PER_CLIENT_MAX = 64
GAPS_MAX = 4_096  # in one message
# Intervals of seen numbers in a client's books; after a restart of the server there may be one for
# each line of a window that was answered out of order.
CLIENT_GAPS_MAX = WINDOW_LINES
# What is queued, leased and kept, by a bound of what it takes in memory. Replies to lines that
# were taken before that was reached have a reserve. Beyond it a client that holds little is still
# served, so that nobody is shut out by those who hold much.
HELD_BYTES_MAX = 512 * 1024 * 1024
HELD_FOR_REPLIES_BYTES = 128 * 1024 * 1024
HELD_SHARE_BYTES = 8 * 1024
# What a text, a run, a kept reply, a client's books for a service, and an interval of seen numbers
# take beside what is written in them (measured, rounded up).
TEXT_BYTES = 72
RUN_BYTES = 256
ENTRY_BYTES = 320
BOOKS_BYTES = 1_536
GAP_BYTES = 96
# Timers that are void and still in memory, beyond as many as are not.
TIMERS_VOID_MAX = 1_024

# Lines that come fast are asked in chunks; a chunk that takes longer than this leaves as it is.
CHUNK_LINES = 2_048
CHUNK_S = 0.002
# Lines that a descriptor has are read by so much at a time.
READ_BYTES = 256 * 1024

CONNECT_S = 5.0
# A worker says that nobody listens only after this long: its server may be starting too.
ABSENCE_NOTICE_S = 1.0
# A worker whose two ports are no server's looks again what is there, ever less often.
PORTS_LOOK_S_MAX = 10.0
GREETING_S = 2.0

# -- workers ---------------------------------------------------------------------------------
WORKERS_MAX = 4_096
EXECUTORS_MAX = 16_384
EXECUTORS_PER_WORKER_MAX = 256
# What a worker may be told to keep; a spare one, and those that finish a line, come beside them.
PROCS_MAX = 250
# From so many on a worker keeps a spare executor. Not beside a single one: whoever wants one line
# done at a time has one executor.
SPARE_PROCS_MIN = 2
# So much nicer are the others, so that it has the processor at once.
EXECUTOR_NICENESS = 5
SERVICES_PER_WORKER_MAX = 256
SERVICES_MAX = 4_096
DESCRIPTION_CHARS_MAX = 1_024
STRIKES_MAX = 3

HEARTBEAT_S = 0.5
# Each heartbeat a second, answered, costs an idle server up to 0.06 % of a core (measured).
HEARTBEATS_PER_S_MAX = 5.0
HEARTBEATS_MISSED_MAX = 3
# However short the interval is, nobody is given up sooner.
SILENCE_LEAST_S = 3.0
RECONNECT_GRACE_S = 0.5
# An executor whose own connection is down while its guardian is heard from may be in the middle
# of a long line; its guardian would have told if it were dead.
EXECUTOR_RETURN_S = 10.0
VOUCH_RETRY_S = 0.02

START_GRACE_S = 2.0
NO_WORKER_GRACE_S = 2.0
GRACE_STEP_S = 0.05
# However far ahead a deadline is, it is looked at so often, so that no timer outlives its reason.
DEADLINE_LOOK_S = 60.0
EXPECTED_SERVICES_MAX = 1_024

# Every fourth turn is that of a client that has something leased already, and every 64th that of
# one at whose lines executors are long, however many others wait.
TURNS_SERVED = 4
TURNS_HOLDING_UP = 64
# An executor has at most two slices under way; one of lines whose cost nobody has measured yet has
# the second length.
SLICE_S = 0.010
FIRST_SLICE_LINES = 16
CREDIT_LINES_MAX = 8_192
# While it has more to do an executor collects for so long what it has done. What it holds waits
# with it where the next line is a long one, so this is short; it is longer within a slice of lines
# that cost less than the last of these, beside which messages would take half of the time.
FLUSH_S = 0.0005
FLUSH_CHEAP_S = 0.005
CHEAP_LINE_S = 0.000_125
# Texts are confirmed when there are so many; those that came out of their order sooner.
RECEIVED_LINES = 2_048
RECEIVED_BEYOND_LINES = 256
# Lines of one async service that an executor works on at a time, unless the service says otherwise.
AT_ONCE = 100
AT_ONCE_MAX = 1_024
# While executors work a guardian looks at them so often; after so long without work it rests.
WATCH_S = 0.01
WATCH_REST_S = 1.0
# What waits behind a line that takes longer than this is handed back; a line that was about to
# begin has begun after the second time.
LONG_LINE_S = 0.02
HAND_BACK_S = 0.001
# An executor that is longer than this at a line leaves a processor core to another one that is done
# with short lines between most looks: the mean over about so long is above the first percentage. It
# takes the core back where it is below the second.
LEAVE_ROOM_S = 0.1
QUICK_MEAN_S = 0.25
QUICK_PERCENT = 50
STILL_QUICK_PERCENT = 25
# An async line that is not given up so long after its time limit blocks its event loop.
BLOCKED_LOOP_S = 1.0
# No time limit of a service is shorter: a guardian does not look more often.
TIME_LIMIT_LEAST_S = 0.05

# A worker that finds the server full says hello again after this long, then ever less often.
FULL_RETRY_S = 0.5
FULL_RETRY_S_MAX = 30.0

# An executor that ends sooner than this after its start is replaced with a growing delay.
SHORT_LIFE_S = 1.0
RESTART_S = 0.05
RESTART_S_MAX = 5.0
# A process that is told to end waits so long for lines at hand; with LINGER_MS, below 5 s.
DRAIN_S = 4.0
# A line that nobody waits for may end by itself within this time; then its executor is killed.
STOP_PATIENCE_S = 0.02
# So long after an executor has been idle what it should not work on is forgotten.
STOP_FORGET_S = 1.0
REPORT_BYTES_MAX = 1024 * 1024
PIPE_READ_BYTES = 64 * 1024
# With --reload: how often a guardian looks at its services' source files, and at how many; a change
# is taken over when the next look finds no other one.
SOURCES_LOOK_S = 0.1
SOURCE_FILES_MAX = 2_000

# -- programs as workers ---------------------------------------------------------------------
# A program is given lines for so much work at once: enough to hide that it has to be woken up.
PROGRAM_BATCH_S = 0.001
# Naps shorter than this, in which its replies gather, are not worth taking.
PROGRAM_NAP_S = 0.00005
# Its replies are held back until it has answered all it was given, but no longer than this.
PROGRAM_HOLD_S = 0.010
# What it says beyond one line for the first line, or after it was found to say too much, comes
# within this time.
PROGRAM_SETTLE_S = 0.001
# A program that has said nothing for so long is looked at: does it wait for more?
PROGRAM_SILENCE_S = 1.0
# A program sleeps, waiting for its first line, within this time, or is offered as it is.
PROGRAM_START_S = 1.0
PROGRAM_LOOK_S = 0.002
# A program whose input has been closed ends by itself within this time, or is killed.
PROGRAM_END_S = 0.5
# Of a line that it writes to stderr.
PROGRAM_SAID_BYTES_MAX = 1_024

# -- what the broker tells of itself ---------------------------------------------------------
ADMIN_LINES_PER_S_MAX = 20  # of one client; listing all services is work
ADMIN_PAGE_BYTES = 64 * 1024
ADMIN_PAGE_SERVICES_MAX = 256
SERVICE_WORKERS_SHOWN_MAX = 16

# -- the in-process bus for tests ------------------------------------------------------------
# Whoever has no reply after this long by its clock will have none.
TESTING_PATIENCE_S = 60.0
TESTING_CHUNK_LINES = 256

# -- the simulator ---------------------------------------------------------------------------
# After the faults stop, everything ends within this time. What takes long: executors that are
# replaced only five seconds after lethal lines have killed them, nine times; ten seconds for one
# to return; stuck lines; a queue of slow lines behind all this. The longest seen is 51 s.
SIMULATOR_CALM_S = 120.0
SIMULATOR_TRACE_EVENTS = 400

# -- the server's memory ---------------------------------------------------------------------
# After how long it is looked at again, also while it stays the same; how far it may grow before
# subscribers are looked at, and how much one of them may have sent; how far it may grow beyond what
# the broker holds before all connections are looked at, how much all of them together may then have
# sent that has not been received, and how much memory a byte of that may take (a frame of two bytes
# takes 64). Meanwhile new connections wait: for the last time after the memory has grown, and for
# so many times as long as a message of very many frames took; one of fewer is cheap.
GUARD_S = 0.1
GUARD_CALM_S = 0.25
GUARD_GROWTH_BYTES = 16 * 1024 * 1024
SUBSCRIPTIONS_BYTES_MAX = 128 * 1024
GUARD_MEMORY_BYTES = 128 * 1024 * 1024
GUARD_UNFINISHED_BYTES = 16 * 1024 * 1024
GUARD_PER_BYTE_MAX = 32
GUARD_DOOR_S = 0.5
# Of so many connections that were cut last, what they have left to be received is dropped.
CUT_ROUTES_MAX = 4_096
DOOR_PER_COST = 4
CHEAP_FRAMES = 1_000

# -- the exercise's sockets ------------------------------------------------------------------
# They have a process of their own, the gateway. It may take this much memory; it gives a sign of
# life so often; after this much silence it is killed. Another one takes its place.
GATEWAY_MEMORY_BYTES = 512 * 1024 * 1024
GATEWAY_ALIVE_S = 0.5
GATEWAY_SILENCE_S = 5.0
# What a gateway is given to publish while it starts waits until its peers have (re)connected.
GATEWAY_JOIN_S = 0.3
# What may wait on the way to it, and how much it hands over at a time.
GATEWAY_QUEUE_BYTES = 4 * 1024 * 1024
GATEWAY_BATCH_BYTES = 256 * 1024

# -- suggestions -----------------------------------------------------------------------------
SUGGESTIONS_CACHED_MAX = 1_024
# Comparing two names of 64 characters can take half a millisecond, of 32 an eighth of that.
COMPARISONS_PER_S_MAX = 500
COMPARED_CHARS_MAX = 32

# -- the exercise ----------------------------------------------------------------------------
# Plain broadcasts wait this long for a worker that has asked for the native way to greet.
PLAIN_HOLD_S = 0.5
# A worker's results get through only once its PUB has met our SUB, a little after it subscribed.
PLAIN_JOIN_S = 0.1
# Everyone who subscribes may leave his messages unread, so they are short. Several lines wait
# for each service whatever waits for others.
PLAIN_TEXT_BYTES_MAX = 32 * 1024
PLAIN_HELD_LINES_MAX = 4_000
PLAIN_HELD_BYTES_MAX = 32 * 1024 * 1024
PLAIN_RESERVED_LINES = 16
PLAIN_PREFIXES_MAX = 4_096
PLAIN_PREFIX_BYTES_MAX = 256
# A worker that found the native way is plain again after this long without a greeting.
NATIVE_SILENCE_S = 1.0
# client.py, its input at an end, leaves after this long without any result.
PLAIN_PATIENCE_S = 5.0
# It sends a line again that was not confirmed for so long. Nobody watches a pipe: lines piped in
# are given up after half a minute of that.
PLAIN_CONFIRMATION_MS = 2_500
PLAIN_ATTEMPTS_PIPED_MAX = 12
# How long a line waits for the connection that will bring its result.
PLAIN_RESULTS_CONNECT_S = 1.0
# Lines piped in run ahead of their results no further than this: publishers drop what a slow
# subscriber has no room for.
PLAIN_UNANSWERED_MAX = 256
# Names of services by which it tells results apart.
PLAIN_NAMES_MAX = 1_000

# -- what is shown ---------------------------------------------------------------------------
# Of a line in an error line, of a wrong word in a refusal, of names in a row.
SHOWN_LINE_CHARS_MAX = 60
SHOWN_WORD_CHARS_MAX = 40
SHOWN_NAMES_MAX = 8

# -- commands --------------------------------------------------------------------------------
# How long a command looks whether something listens, before it says that nobody does.
LOOK_S = 0.5
# `linebus doctor` finds out how things are now; it does not wait for a server that is starting.
DOCTOR_WAIT_S = 1.0
# Whoever presses Tab waits no longer for the names that a server knows.
COMPLETION_S = 0.3
# A person at the prompt is told after this long that a reply is waited for.
PROMPT_NOTICE_S = 2.0
# Lines typed at the prompt that are kept for the next time, and how long one may be.
HISTORY_LINES_MAX = 1_000
HISTORY_LINE_CHARS_MAX = 4_096
# Of the logs of `linebus up` that are left behind.
LOGS_KEPT_MAX = 20
# What `linebus doctor` takes for a problem: clocks that differ by more, fewer descriptors than
# would do for a server with a few hundred peers, a bound of the server's that is used to this part.
CLOCKS_APART_S_MAX = 1.0
DESCRIPTORS_MIN = 1_024
NEARLY_FULL_PERCENT = 80
# It takes the shortest of so many round trips.
DOCTOR_ROUND_TRIPS = 3
# `linebus bench`: how long a measure takes at least, how often all are made, how many requests the
# first attempt asks and by how much the next may grow, and the window of the proxy beside it.
BENCH_S = 0.3
BENCH_ROUNDS = 3
BENCH_LINES = 100
BENCH_LINES_GROWTH = 16
BENCH_WINDOW_LINES = 1_000

assert LINE_BYTES_MAX + NAME_CHARS_MAX < MESSAGE_BYTES_TARGET
assert MESSAGE_BYTES_TARGET + LINE_BYTES_MAX < MESSAGE_BYTES_MAX
assert LINE_BYTES_MAX >= TEXT_BYTES_MAX
assert 2**INT_BITS_MAX < 10**INT_DIGITS_MAX
assert IDLE_ACK_LINES < ACK_LINES < WINDOW_LINES < CLIENT_LINES_MAX < NUMBER_MAX
assert CREDIT_LINES_MAX < WINDOW_LINES, "one executor can take a client's whole window"
assert RECEIVED_LINES < CREDIT_LINES_MAX
assert PROCS_MAX < EXECUTORS_PER_WORKER_MAX
assert 1000 * RECONNECT_GRACE_S > RECONNECT_MS, "a cut connection comes back within the grace"
assert 1000 * min(START_GRACE_S, NO_WORKER_GRACE_S) > RECONNECT_MS_MAX
assert max(RECONNECT_GRACE_S, HEARTBEAT_S * HEARTBEATS_MISSED_MAX) < SILENCE_LEAST_S
assert RECONNECT_GRACE_S < EXECUTOR_RETURN_S < CLIENT_ABSENCE_S_MAX
assert START_GRACE_S + NO_WORKER_GRACE_S + EXECUTOR_RETURN_S < TESTING_PATIENCE_S
assert UNOFFERED_PER_CLIENT_MAX < SERVICES_PER_CLIENT_MAX
assert PLAIN_JOIN_S < PLAIN_HOLD_S < NATIVE_SILENCE_S
assert CHEAP_LINE_S < FLUSH_S < FLUSH_CHEAP_S < SLICE_S
assert PEER_RECEIVE_HWM_MESSAGES > WINDOW_LINES + LINES_PER_MESSAGE_MAX
assert HAND_BACK_S < WATCH_S < LONG_LINE_S < LEAVE_ROOM_S
assert WATCH_S < QUICK_MEAN_S
assert STILL_QUICK_PERCENT < QUICK_PERCENT
assert GUARD_S < GUARD_CALM_S < GUARD_DOOR_S
assert TURNS_HOLDING_UP % TURNS_SERVED == 0
assert GATEWAY_BATCH_BYTES + FRAMES_MAX * PLAIN_FRAME_BYTES_MAX < REPORT_BYTES_MAX
assert GATEWAY_BATCH_BYTES + 2 * TEXT_BYTES_MAX < REPORT_BYTES_MAX
assert 4 * GATEWAY_ALIVE_S < GATEWAY_SILENCE_S
assert FLUSH_S < PROGRAM_BATCH_S < PROGRAM_HOLD_S <= SLICE_S
assert PROGRAM_END_S + LINGER_MS / 1000 < DRAIN_S, "a program may end by itself"
assert COMPLETION_S < ABSENCE_NOTICE_S < CONNECT_S
# JSON writes a control character as six bytes, an executor's number and its comma as 17 at most; a
# page may overshoot by one service.
assert (
    ADMIN_PAGE_BYTES
    + 6 * (4 + SERVICE_WORKERS_SHOWN_MAX) * DESCRIPTION_CHARS_MAX
    + 17 * SERVICE_WORKERS_SHOWN_MAX * EXECUTORS_PER_WORKER_MAX
    < TEXT_BYTES_MAX
)
assert 8 * MESSAGE_BYTES_MAX < GUARD_UNFINISHED_BYTES < GUARD_MEMORY_BYTES
assert 2 * PLAIN_TEXT_BYTES_MAX <= PLAIN_FRAME_BYTES_MAX, (
    "what is a little too long is still answered"
)
