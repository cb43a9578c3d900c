# SPDX-License-Identifier: Apache-2.0
"""The first signal asks to stop; while nothing has begun it just ends the program."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from services.commands.signals import leave_in_order, stop_on_signals

_SLOW_LOADING = """
import signal
from contextlib import nullcontext
from services.commands.signals import leave_on_signals, leave_in_order
leave_on_signals()
try:
    with {around}:
        print("loading", flush=True)
        signal.pause()
finally:
    print("finished")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_sets_the_event(number: signal.Signals) -> None:
    with stop_on_signals() as stopped:
        assert not stopped.is_set()
        signal.raise_signal(number)
        assert stopped.wait(10.0)


def test_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    for context in (stop_on_signals, leave_in_order):
        with context():
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("around", "said"),
    [
        ("nullcontext()", "loading\n"),
        ("leave_in_order()", "loading\nfinished\n"),
    ],
)
def test_a_signal_while_loading_ends_as_asked(
    number: signal.Signals, around: str, said: str
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _SLOW_LOADING.format(around=around)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "loading\n"
        child.send_signal(number)
        rest, _ = child.communicate(timeout=60)
    assert (child.returncode, "loading\n" + rest) == (0, said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_hears_signals_before_it_is_loaded(number: signal.Signals) -> None:
    """Whenever it comes after the interpreter's own start, the code is 0."""
    watched = (
        "import sys, signal, os\n"
        "class Kill:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer':\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Kill())\n"
        "from services.start import main\n"
        "sys.argv = ['streamcodec', 'config', 'example']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_children_of_a_demo_go_on_ignoring_the_terminal() -> None:
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from services.commands.signals import leave_on_signals\n"
        "leave_on_signals(); signal.raise_signal(signal.SIGINT); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n")
