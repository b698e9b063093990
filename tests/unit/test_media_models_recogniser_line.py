"""Who is decoded next: order, replacement, fairness, thinning."""

from hypothesis import given, settings
from hypothesis import strategies as st

from media_models.recogniser_worker.line import PARTIAL_SHARE, Line


def served(line: Line) -> list[tuple[int, bool]]:
    """(stream, final) of all that wait, in the order of service."""
    order = []
    while jobs := line.next():
        order += [(job.stream, job.final) for job in jobs]
    return order


def test_finals_go_before_partials_and_keep_their_order() -> None:
    line = Line()
    line.partial(1, 10, 100, 0)
    line.partial(2, 20, 100, 0)
    line.final(3, 30, 100)
    line.final(4, 40, 100)
    assert served(line) == [(30, True), (40, True), (10, False), (20, False)]


def test_a_newer_partial_takes_the_place_of_the_waiting_one() -> None:
    line = Line()
    line.partial(1, 10, 100, 0)
    line.partial(2, 20, 100, 0)
    line.partial(3, 10, 300, 240)
    (first,) = line.next()
    assert (first.stream, first.upto_bytes, first.requests) == (10, 300, [1, 3])
    assert served(line) == [(20, False)]


def test_a_final_answers_the_waiting_partial_of_its_call() -> None:
    line = Line()
    line.partial(1, 10, 100, 0)
    line.final(2, 10, 200)
    line.partial(3, 10, 240, 500)
    (job,) = line.next()
    assert (job.final, job.upto_bytes, job.requests) == (True, 240, [1, 2, 3])
    assert line.next() == []


def test_two_finals_of_a_call_are_one_decode_in_the_place_of_the_first() -> None:
    line = Line()
    line.final(1, 10, 100)
    line.final(2, 20, 100)
    line.final(3, 10, 160)
    (job,) = line.next()
    assert (job.stream, job.upto_bytes, job.requests) == (10, 160, [1, 3])
    assert served(line) == [(20, True)]


def test_a_closed_call_leaves_the_line() -> None:
    line = Line()
    line.partial(1, 10, 100, 0)
    line.final(2, 20, 100)
    line.closed(10)
    line.closed(20)
    assert line.waiting() == 0
    assert line.partial(3, 10, 100, 0)


def test_batches_hold_one_kind() -> None:
    line = Line(batch=4)
    for stream in range(3):
        line.final(stream, stream, 100)
    for stream in range(10, 16):
        line.partial(stream, stream, 100, 0)
    assert [len(line.next()) for _ in range(4)] == [3, 4, 2, 0]


def test_a_suspect_call_shares_no_batch() -> None:
    line = Line(batch=4)
    line.suspected(2)
    for stream in range(1, 6):
        line.final(stream, stream, 100)
    assert [[job.stream for job in line.next()] for _ in range(3)] == [[1], [2], [3, 4, 5]]


def test_partials_keep_the_distance_that_the_model_wants() -> None:
    line = Line(partial_every_ms=400)
    taken = []
    for step in range(1, 9):
        if line.partial(step, 10, step, step * 200):
            taken.append(step * 200)
            line.next()
    assert taken == [200, 600, 1000, 1400]


def test_an_overloaded_worker_gives_partials_a_share_of_its_time_and_finals_all_they_need() -> None:
    line = Line(partial_every_ms=100)
    calls, cost_ms, step_ms = 30, 50.0, 240
    for stream in range(calls):
        line.opened(stream)
    line.took(1, cost_ms)
    decoded: dict[int, int] = dict.fromkeys(range(calls), 0)
    for step in range(1, 101):
        for stream in range(calls):
            if line.partial(stream, stream, step, step * step_ms):
                (job,) = line.next()
                decoded[job.stream] += 1
    spent = sum(decoded.values()) * cost_ms
    assert spent <= 1.1 * PARTIAL_SHARE * 100 * step_ms
    assert min(decoded.values()) >= 5
    assert max(decoded.values()) - min(decoded.values()) <= 1
    for stream in range(calls):
        line.final(stream, stream, 1)
    assert line.waiting() == calls


orders = st.lists(st.tuples(st.sampled_from(["partial", "final", "next", "close"]), st.integers(1, 4)), max_size=60)


@given(orders, st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_every_request_is_answered_once_or_its_call_has_closed(steps: list[tuple[str, int]], batch: int) -> None:
    line = Line(batch)
    asked: dict[int, int] = {}
    answered: list[int] = []
    for request, (step, stream) in enumerate(steps):
        if step == "next":
            answered += [item for job in line.next() for item in job.requests]
        elif step == "close":
            line.closed(stream)
            for key in [key for key, owner in asked.items() if owner == stream and key not in answered]:
                del asked[key]
        elif step == "final":
            asked[request] = stream
            line.final(request, stream, request)
        elif line.partial(request, stream, request, request * 1000):
            asked[request] = stream
    while jobs := line.next():
        answered += [item for job in jobs for item in job.requests]
    assert sorted(answered) == sorted(set(answered))
    assert set(asked) <= set(answered)
