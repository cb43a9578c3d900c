# SPDX-License-Identifier: Apache-2.0
"""What runs inside the processes of a demo: a sender, a receiver, or a link."""

from __future__ import annotations

import signal
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from services.demo.messages import (
    STOP,
    Counted,
    Ended,
    Failed,
    Kept,
    KeptFrame,
    Message,
    Note,
    Started,
)
from services.errors import EXIT_CONFIG, EXIT_FAILURE, ServiceError
from services.measure.history import History, LinkState, Moment
from services.process import logs
from services.process.memory import return_large_blocks
from services.settings.config import CodecSettings, Settings
from streamcodec.errors import ModelError, StreamCodecError

if TYPE_CHECKING:
    from streamcodec.codec import Codec

CodecLoader = Callable[[CodecSettings], "Codec"]
_REPORT_INTERVAL_S = 0.2
_KEEP_EVERY = 10  # frames: both ends set aside the same ones
_KEEP = 8


class Keeper:
    """Keeps every tenth frame, the last few of them."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, KeptFrame] = OrderedDict()

    def offer(self, frame: KeptFrame) -> None:
        """Keep it if it is a tenth one."""
        if frame.sequence % _KEEP_EVERY:
            return
        self._frames[frame.sequence] = frame
        while len(self._frames) > _KEEP:
            self._frames.popitem(last=False)

    def kept(self) -> Kept:
        """All that are kept, as the closing message."""
        return Kept(tuple(self._frames.values()))


class _Boss:
    """The other end of the pipe: takes messages, and tells when to stop."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.heard: Moment | None = None  # the state of the others, for the page

    def tell(self, message: Message) -> None:
        self._pipe.send(message)

    def wants_stop(self, timeout_s: float) -> bool:
        """True when told to stop, or when the process that started us is gone."""
        try:
            while self._pipe.poll(timeout_s):
                heard = self._pipe.recv()
                if heard == STOP:
                    return True
                self.heard, timeout_s = heard, 0.0
        except (EOFError, OSError):
            return True
        return False


def _run(pipe: Connection, settings: Settings, work: Callable[[_Boss], None]) -> None:
    """Run `work`; an expected error becomes a message."""
    # Ctrl-C reaches the whole group; the process that started us decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return_large_blocks()
    logs.configure(settings.log)
    boss = _Boss(pipe)
    try:
        work(boss)
    except ServiceError as error:
        boss.tell(Failed(str(error), error.exit_code))
    except ModelError as error:
        boss.tell(Failed(str(error), EXIT_CONFIG))
    except (StreamCodecError, OSError) as error:
        boss.tell(Failed(str(error), EXIT_FAILURE))
    except (BrokenPipeError, EOFError):
        pass
    finally:
        pipe.close()


def send(pipe: Connection, settings: Settings, load: CodecLoader) -> None:
    """A process that sends."""

    def work(boss: _Boss) -> None:
        from services.sender.assemble import make_sender
        from services.sender.daemon import SentFrame
        from streamcodec.parallel import Threads

        codec: Codec | None = None
        threads = Threads(settings.codec.threads)

        def load_once() -> Codec:
            nonlocal codec
            codec = codec or load(settings.codec).sharing(threads)
            return codec

        sender = make_sender(settings, load_once)
        keeper = Keeper()

        def keep(sent: SentFrame) -> None:
            keeper.offer(KeptFrame(sent.sequence, sent.source, len(sent.packet), sent.keyframe))

        sender.on_frame(keep)
        try:
            sender.start()
            boss.tell(Started(load_once().size, load_once().device))
            while not boss.wants_stop(_REPORT_INTERVAL_S):
                boss.tell(Counted(sender.snapshot()))
                sender.wait(0.0)
                if sender.ended:
                    sender.wait(0.0)  # why it ended may be an error
                    boss.tell(Ended("the source has ended"))
                    boss.wants_stop(10.0)
                    break
            boss.tell(Counted(sender.snapshot()))
        finally:
            sender.stop()
            threads.close()
        boss.tell(keeper.kept())

    _run(pipe, settings, work)


def receive(pipe: Connection, settings: Settings, load: CodecLoader) -> None:
    """A process that receives and shows."""

    def work(boss: _Boss) -> None:
        from services.receiver.assemble import make_receiver, make_sinks
        from services.receiver.daemon import ShownFrame
        from streamcodec.parallel import Threads

        threads = Threads(settings.codec.threads)
        codec = load(settings.codec).sharing(threads)
        outputs = make_sinks(settings)
        if outputs.note:
            boss.tell(Note(outputs.note))
        receiver = make_receiver(settings, codec, sinks=outputs.sinks)
        keeper = Keeper()

        def keep(shown: ShownFrame) -> None:
            meta = shown.meta
            keeper.offer(KeptFrame(meta.sequence, shown.frame, meta.size_bytes, meta.keyframe))

        receiver.on_frame(keep)
        page, history = None, History()
        if outputs.picture is not None:
            from services.view.opening import open_page

            page = open_page(settings, receiver, outputs.picture)
            boss.tell(Note(f"page      {page.url}"))
        try:
            codec.warm_up(640, 360)
            receiver.start()
            boss.tell(Started(codec.size, codec.device))
            while not boss.wants_stop(_REPORT_INTERVAL_S):
                snapshot = receiver.snapshot()
                boss.tell(Counted(snapshot))
                if page is not None:
                    others = boss.heard or Moment(snapshot.at_us, None, None)
                    moment = replace(others, at_us=snapshot.at_us, receiver=snapshot)
                    history.add(moment)
                    page.show(moment, history.samples)
                receiver.wait(0.0)
                if outputs.window is not None and outputs.window.closed:
                    boss.tell(Ended("the window was closed"))
                    boss.wants_stop(10.0)
                    break
            boss.tell(Counted(receiver.snapshot()))
        finally:
            if page is not None:
                page.close()
            receiver.stop()
            threads.close()
        boss.tell(keeper.kept())

    _run(pipe, settings, work)


def link(pipe: Connection, settings: Settings, _: CodecLoader) -> None:
    """A process between the two that emulates a thin link."""

    def work(boss: _Boss) -> None:
        from services.emulator.profile_file import load_profile
        from services.emulator.proxy import LinkProxy

        wanted = settings.link
        profile = load_profile(wanted.profile)
        proxy = LinkProxy(wanted.listen, wanted.connect, profile, seed=wanted.seed)
        try:
            proxy.start()
            boss.tell(Started())
            while not boss.wants_stop(_REPORT_INTERVAL_S):
                seen = proxy.snapshot()
                boss.tell(
                    Counted(
                        LinkState(seen.capacity_bps, seen.used_bps, seen.queue_bytes, seen.delay_us)
                    )
                )
        finally:
            proxy.stop()
        boss.tell(Kept(()))

    _run(pipe, settings, work)
