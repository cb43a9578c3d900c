# SPDX-License-Identifier: Apache-2.0
"""The `streamcodec` command: runs the program, and turns errors into sentences and codes."""

from __future__ import annotations

import errno
import os
import sys
from io import TextIOWrapper
from typing import NoReturn

if __name__ == "__main__":
    from services.commands.signals import leave_on_signals

    leave_on_signals()  # before what follows, which takes half a second to load

import typer

from services.commands.hangup import catching_hangups
from services.commands.program import app
from services.errors import EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, EXIT_SOURCE, ServiceError
from services.process import logs
from services.process.descriptors import raise_limit
from services.process.memory import return_large_blocks
from services.settings.addresses import masked


def main() -> NoReturn:
    """Run the command line and exit with its code; no input a person gives ends in a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):  # names of files need not fit the locale
        sys.stdout.reconfigure(errors="backslashreplace")
    # Our own sentence tells what OpenCV would print about a file that it cannot read.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    raise_limit()
    return_large_blocks()
    try:
        with logs.telling_of_threads(), catching_hangups(sys.argv[1:]):
            app()
    except KeyboardInterrupt:
        sys.exit(EXIT_OK)
    except ServiceError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        _leave_quietly()
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # typer makes a failure of it
            _leave_quietly()
        raise
    except OSError as error:
        _fail(describe_os_error(error), EXIT_FAILURE)
    except Exception as error:
        code = codec_exit_code(error)
        if code is None:
            logs.crashed("crashed", error)
            sys.exit(EXIT_FAILURE)
        _fail(str(error), code)
    sys.exit(EXIT_OK)


def codec_exit_code(error: Exception) -> int | None:
    """The exit code of an error of the codec; None for anything else, which is a bug of ours."""
    from streamcodec.errors import ModelError, StreamCodecError  # noqa: PLC0415  (imports OpenCV)

    if isinstance(error, ModelError):
        return EXIT_CONFIG
    return EXIT_SOURCE if isinstance(error, StreamCodecError) else None


def describe_os_error(error: OSError) -> str:
    """One sentence for an error of the operating system."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"{where}the disk is full; what was written before is kept"
    return f"{where}{error.strerror or error}"


def _leave_quietly() -> NoReturn:
    """Whoever read our output has left, as `head` does: that is no failure."""
    # Keep the interpreter from flushing into nothing.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    sys.exit(EXIT_OK)


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(f"streamcodec: {masked(sentence)}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
