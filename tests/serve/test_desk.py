"""The desk limits the number of photos, their bytes and their time."""

import asyncio
import threading

import pytest

from captioner.serve.desk import Desk
from captioner.serve.refusal import RefusalError


def test_work_that_takes_too_long_is_refused_and_keeps_its_place_until_it_ends() -> None:
    ending = threading.Event()

    async def ask(desk: Desk) -> None:
        with pytest.raises(RefusalError, match=r"not captioned within 0\.05 seconds") as refused, desk.place() as place:
            await place.do(ending.wait)
        assert refused.value.status == 503
        assert refused.value.headers == {"Retry-After": "2"}
        with desk.place() as second, pytest.raises(RefusalError, match="not captioned within"):
            await second.do(lambda: None)  # never started; its place is released
        with desk.place(), pytest.raises(RefusalError, match="too many photos"), desk.place():
            pass
        ending.set()
        while True:
            try:
                with desk.place(), desk.place() as place:
                    assert await place.do(lambda: "done") == "done"
                    return
            except RefusalError:
                await asyncio.sleep(0.01)

    desk = Desk(workers=1, queue=1, seconds=0.05, memory=10)
    asyncio.run(asyncio.wait_for(ask(desk), 20))
    desk.close()


def test_all_requests_together_hold_a_bounded_number_of_bytes() -> None:
    desk = Desk(workers=1, queue=1, seconds=1, memory=10)
    with desk.place() as one, desk.place() as other:
        one.hold(6)
        other.hold(4)
        with pytest.raises(RefusalError, match="too many photos") as refused:
            other.hold(1)
        assert refused.value.status == 503
    with desk.place() as one:
        one.hold(10)
    desk.close()
