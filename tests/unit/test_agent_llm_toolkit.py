"""The gate in the tools: whatever a model asks for, only what was read out, heard and agreed is written."""

import json

import pytest

from crm.model import BookingStatus, Capabilities
from tests.simulators.model_scene import Model, Scene, run

ASK_TIME = [(0.0, ("find_times", json.dumps({"service_ids": ["men"], "master_ids": ["igor"], "first_day": "2026-12-02",
                                             "at": "13:00"})))]  # fmt: skip


def said(text):
    return [(0.0, text)]


def call(tool, /, **arguments):
    return [(0.0, (tool, json.dumps(arguments)))]


def written(scene):
    return [b for b in scene.salon.bookings.values() if b.status is not BookingStatus.CANCELLED]


def results(model):
    """What the tools told the model, newest last."""
    return [part.content for part in model.requests[-1][-1].parts if part.part_kind == "tool-return"]


def talk(model, *lines, before=None):
    async def work(scene):
        for line in lines:
            await scene.table.says(line)
        return scene

    return run(lambda: Scene(model), work)


def test_a_visit_is_booked_by_the_models_calls_after_read_back_and_yes():
    model = Model([ASK_TIME, call("about_client", name="Сергей"), call("read_back", offer_id="o1"),
                   call("book", offer_id="o1"), said("Готово, вы записаны на 13:00.")])  # fmt: skip

    async def work(scene):
        await scene.table.says("к Игорю завтра в час")
        read_back = await scene.table.says("Сергей")
        first = len(written(scene))
        done = await scene.table.says("да")
        return read_back, first, done, scene

    read_back, first, done, scene = run(lambda: Scene(model), work)
    assert "13:00" in read_back
    assert "1800" in read_back
    assert first == 0
    assert "записаны" in done
    assert len(written(scene)) == 1


@pytest.mark.parametrize(
    "attempt",
    [
        call("book", offer_id="o1"), call("book", offer_id="o99"), call("cancel_booking", booking_id="b1"),
        call("move_booking", booking_id="b1", offer_id="o1"), call("book", offer_id="o1", price=1),
    ],
)  # fmt: skip
def test_nothing_is_written_that_was_not_agreed(attempt):
    model = Model([ASK_TIME, attempt, said("Как вас зовут?")])
    scene = talk(model, "к Игорю завтра в час")
    assert not written(scene)
    assert "refused" in results(model)[-1]


def test_a_read_back_that_was_not_heard_opens_no_gate():
    model = Model([ASK_TIME, call("about_client", name="Сергей"), call("read_back", offer_id="o1"),
                   call("book", offer_id="o1"), said("Секунду.")])  # fmt: skip

    async def work(scene):
        await scene.table.says("к Игорю завтра в час")
        await scene.table.says("Сергей")
        scene.table.cut_last("Записываю")
        await scene.table.says("да")
        return scene

    assert not written(run(lambda: Scene(model), work))


def test_another_offer_than_the_one_read_back_is_refused():
    model = Model([ASK_TIME, call("find_times", at="15:00"), call("read_back", offer_id="o1"),
                   call("book", offer_id="o2"), said("Секунду.")])  # fmt: skip

    async def work(scene):
        await scene.table.says("к Игорю завтра в час")
        await scene.table.says("Сергей")
        return scene

    scene = run(lambda: Scene(model), work)
    assert not written(scene)


def test_a_name_that_nobody_said_is_refused():
    model = Model([call("about_client", name="Виолетта"), said("Как вас зовут?")])
    talk(model, "к Игорю завтра в час")
    assert "did not say this name" in results(model)[-1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"service_ids": ["secret"]}, "unknown service"), ({"master_ids": ["bob"]}, "unknown master"),
        ({"first_day": "2020-01-01"}, "passed"), ({"first_day": "2031-01-01"}, "too far"),
        ({"first_day": "2026-12-05", "last_day": "2026-12-03"}, "before first_day"),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be_are_told_to_the_model(arguments, why):
    model = Model([call("find_times", **arguments), said("Подскажите день?")])
    talk(model, "к Игорю завтра в час")
    assert why in results(model)[-1]


def test_the_line_is_not_closed_while_the_client_wants_something():
    model = Model([call("finish"), said("Минуту.")])
    scene = talk(model, "к Игорю завтра в час")
    assert "has not taken leave" in results(model)[-1]
    assert scene.salon.outcomes == {}


def test_where_bookings_cannot_be_read_the_model_is_told_so():
    model = Model([call("my_bookings"), said("Как вас зовут?")])

    async def work(scene):
        scene.salon.able = Capabilities(book=False, knows_bookings=False)
        scene.clock.advance(4000)  # the copy of the salon is old enough to be loaded anew
        await scene.table.says("к Игорю завтра в час")

    run(lambda: Scene(model), work)
    assert "cannot be read" in results(model)[-1]
