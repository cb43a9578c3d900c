# SPDX-License-Identifier: Apache-2.0
"""Each receiver gets the stream it names, and what breaks the rules is counted."""

from __future__ import annotations

import pytest

from services.protocol import messages as m
from services.protocol.board import Board
from services.protocol.fanout import Fanout
from services.protocol.packing import pack
from tests.unit.services.protocol.packets import EPOCH, arrival, hello, packets, welcome

A, B = b"a", b"b"


def board_of(*streams: str, most: int = 1000) -> Board:
    fanouts = [Fanout(boot_id=b"", stream=stream) for stream in streams]
    for number, fanout in enumerate(fanouts):
        fanout.started(welcome(epoch=EPOCH + number, stream=streams[number]))
    return Board(fanouts, max_messages_per_s=most)


def say(board: Board, peer: bytes, message: m.Message, now_us: int = 0) -> list[m.Message]:
    return [answer for _, answer in board.on_message(peer, pack(message), now_us).messages]


def streams_of(board: Board) -> list[set[bytes]]:
    return [{peer for peer in (A, B) if peer in fanout} for fanout in board.fanouts]


def test_each_receiver_gets_the_stream_it_names() -> None:
    board = board_of("door", "yard")
    for number, (peer, name) in enumerate(((A, "yard"), (B, "door"))):
        (welcomed,) = say(board, peer, hello(instance=number, stream=name))
        assert isinstance(welcomed, m.Welcome)
        assert welcomed.stream == name
        say(board, peer, m.Ready(welcomed.epoch))
    assert streams_of(board) == [{B}, {A}]
    for fanout in board.fanouts:
        fanout.arrived(arrival(next(packets(1)), 1, at_us=5), captured_us=5)
    sent = {out.peer: out.head.epoch for out in board.due(10)}
    assert sent == {A: EPOCH + 1, B: EPOCH}


def test_who_names_no_stream_gets_one_that_flows() -> None:
    silent, flowing = Fanout(boot_id=b"", stream="door"), Fanout(boot_id=b"", stream="yard")
    flowing.started(welcome(stream="yard"))
    board = Board([silent, flowing])
    (welcomed,) = say(board, A, hello())
    assert isinstance(welcomed, m.Welcome)
    assert welcomed.stream == "yard"


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    board = board_of("door", "yard")
    (refused,) = say(board, A, hello(stream="cellar"))
    assert isinstance(refused, m.Bye)
    assert refused.code is m.ByeCode.REFUSED
    assert "'cellar'" in refused.reason
    assert "'door', 'yard'" in refused.reason
    say(board, A, hello(stream="cellar"))
    assert len(board.recent_events()) == 1  # it asks each second


def test_a_refusal_fits_its_message_however_many_streams_there_are() -> None:
    board = board_of(*(f"camera-{number:055d}" for number in range(60)))
    (refused,) = say(board, A, hello(stream="x" * m.MAX_NAME_CHARS))
    assert isinstance(refused, m.Bye)


def test_a_stream_that_has_not_begun_is_waited_for() -> None:
    board = Board([Fanout(boot_id=b"", stream="door"), Fanout(boot_id=b"", stream="yard")])
    assert say(board, A, hello(stream="door")) == []


def test_a_receiver_that_asks_for_another_stream_moves() -> None:
    board = board_of("door", "yard")
    say(board, A, hello(stream="door"))
    assert streams_of(board) == [{A}, set()]
    say(board, A, hello(stream="yard"))
    assert streams_of(board) == [set(), {A}]


def test_strangers_are_told_to_say_hello() -> None:
    board = board_of("door", "yard")
    (answer,) = say(board, A, m.Ready(EPOCH))
    assert isinstance(answer, m.Bye)
    assert answer.code is m.ByeCode.UNKNOWN


def test_a_flood_is_counted_and_not_heard() -> None:
    board = board_of("door", most=10)
    for _ in range(30):
        say(board, A, m.Ping(1, 1))
    assert board.flooded == 20
    assert say(board, B, m.Ping(1, 1)) != []
    assert say(board, A, m.Ping(1, 1), 1_100_000) != []


@pytest.mark.parametrize("data", [b"", b"\xc1", bytes(2000), pack(welcome())])
def test_hostile_bytes_are_counted_and_nothing_else(data: bytes) -> None:
    board = board_of("door", "yard")
    assert board.on_message(A, data, 0).messages == []
    assert board.hostile == 1


def test_an_end_that_connects_announces_itself_until_it_is_answered() -> None:
    fanout = Fanout(boot_id=b"")
    fanout.started(welcome())
    board = Board([fanout], connects=True)

    def pings(now_us: int) -> int:
        return sum(isinstance(said, m.Ping) for _, said in board.tick(now_us).messages)

    assert [pings(at_us) for at_us in (0, 100_000, 200_000, 300_000)] == [1, 0, 1, 0]
    say(board, b"", hello(), 400_000)
    assert [pings(at_us) for at_us in (401_000, 450_000)] == [1, 0]  # the session's own PING
