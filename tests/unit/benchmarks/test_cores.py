# SPDX-License-Identifier: Apache-2.0
"""What more cores would take follows from the jobs that one core did."""

from __future__ import annotations

import pytest

from benchmarks import cores
from benchmarks.cores import Work, makespan
from services.media.scene import Scene
from streamcodec import Codec
from streamcodec.parallel import Threads


@pytest.mark.parametrize(
    ("workers", "expected"), [(1, 10.0), (2, 7.0), (3, 5.0), (4, 4.0), (16, 4.0)]
)
def test_workers_take_the_next_job_when_they_are_free(workers: int, expected: float) -> None:
    assert makespan([3.0, 2.0, 1.0, 4.0], workers) == expected


def test_what_is_serial_is_so_on_any_number_of_cores() -> None:
    work = Work(10.0, [[2.0, 2.0], [1.0, 1.0, 1.0]])
    assert work.serial_s == 3.0
    assert [work.on(n) for n in (1, 2, 3)] == [10.0, 7.0, 6.0]


def test_a_chain_is_measured_and_its_jobs_are_part_of_it() -> None:
    scene = Scene(160, 96, seed=2)
    with Threads(1) as threads:
        codec = Codec.load(threads=threads)
        encodes, decodes = cores.measure(codec, threads, [scene.frame(n) for n in range(7)])
    for works in (encodes, decodes):
        assert len(works) == 2
        for work in works:
            assert len(work.jobs_s) > 3
            assert 0 < work.serial_s < work.total_s
            assert work.on(16) <= work.on(1) * 1.000001
    assert cores.row("encode", encodes).count("|") == 8


def test_a_pool_that_is_not_watched_keeps_no_times() -> None:
    scene = Scene(96, 64, seed=2)
    with Threads(1) as threads:
        Codec.load(threads=threads).encode(scene.frame(0), quality=20)
        assert threads.pool.watched() == []
