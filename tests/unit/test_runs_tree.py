"""The process tree: whole without every event, true under pid reuse, bounded in a storm."""

import time
import tracemalloc

from pratique.model import Kind
from pratique.runs.tree import Tree, bounded
from pratique.words import Actor
from unit import runs_sample as sample


def execed(tree: Tree, pid: int, ppid: int, *argv: str, **more: object) -> object:
    """Put an exec into a tree."""
    event = sample.execed(pid, ppid, argv, **more)
    assert event.exec is not None
    return tree.exec(event, event.exec)


def test_a_missing_fork_is_made_up() -> None:
    """An exec of an unannounced process still finds its parent."""
    tree = Tree()
    execed(tree, 10, 1, "npm")
    child = execed(tree, 11, 10, "sh")

    assert [each.pid for each in child.line()] == [11, 10]


def test_a_child_runs_its_parents_image_until_it_executes() -> None:
    """Between fork and exec the command line is the inherited one."""
    tree = Tree()
    execed(tree, 10, 1, "node", "setup.js")
    child = tree.fork(sample.event(Kind.FORK, 11, 10))

    assert child.runs().argv == ("node", "setup.js")


def test_a_reused_pid_is_another_process() -> None:
    """Exit seen, only a fork seen, or neither: old evidence never moves to the new process."""
    tree = Tree()
    execed(tree, 10, 1, "npm")
    first = tree.fork(sample.event(Kind.FORK, 11, 10))
    tree.exit(sample.event(Kind.EXIT, 11, 10))
    second = execed(tree, 11, 10, "late")
    third = tree.fork(sample.event(Kind.FORK, 11, 10))
    execed(tree, 12, 1, "other")
    fourth = execed(tree, 11, 12, "of another parent")

    assert len({each.number for each in (first, second, third, fourth)}) == 4
    assert third.ended is not None


def test_an_orphan_is_still_the_same_process() -> None:
    """Re-parenting after the parent's death is no pid reuse."""
    tree = Tree()
    execed(tree, 10, 1, "npm")
    child = tree.fork(sample.event(Kind.FORK, 11, 10))
    tree.exit(sample.event(Kind.EXIT, 10, 1))

    assert execed(tree, 11, 1, "daemon") is child


def test_a_storm_is_bounded() -> None:
    """50 000 processes with long command lines and lost exits take bounded memory and time."""
    tree = Tree(kept=5_000)
    execed(tree, 2, 1, "npm")
    long = ("x" * 10_000,) * 5
    tracemalloc.start()
    began = time.process_time()
    for pid in range(10, 50_010):
        execed(tree, pid, 2, *long)
        if pid % 3:
            tree.exit(sample.event(Kind.EXIT, pid, 2))
    taken, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(list(tree)) <= 5_000 + 1
    assert len(tree) == 50_001
    assert peak < 120 << 20
    assert taken < 60


def test_evidence_is_never_dropped() -> None:
    """A process a finding points at outlives every storm."""
    tree = Tree(kept=10)
    kept = execed(tree, 10, 1, "thief")
    kept.evidence = True
    tree.exit(sample.event(Kind.EXIT, 10, 1))
    for pid in range(100, 200):
        tree.fork(sample.event(Kind.FORK, pid, 1))
        tree.exit(sample.event(Kind.EXIT, pid, 1))

    assert kept in list(tree)
    assert tree.dropped > 80


def test_the_living_of_an_origin_are_counted() -> None:
    """State kept per origin can go when its last process is gone."""
    tree = Tree()
    execed(tree, 10, 1, "sh", origin=3)
    tree.fork(sample.event(Kind.FORK, 11, 10, origin=3))
    assert tree.living(3) == 2

    tree.exit(sample.event(Kind.EXIT, 10, 1, origin=3))
    tree.exit(sample.event(Kind.EXIT, 11, 10, origin=3))

    assert tree.living(3) == 0


def test_a_label_moves_the_count() -> None:
    """A process that becomes package code counts for its new origin only."""
    tree = Tree()
    process = execed(tree, 10, 1, "sh")
    tree.label(process, Actor.PACKAGE, process.stage, 4)

    assert (tree.living(0), tree.living(4)) == (0, 1)


def test_long_command_lines_are_cut_visibly() -> None:
    """Bounded, and the cut shows."""
    assert bounded(("a",) * 100)[-1] == "…"
    assert len("".join(bounded(("a" * 9000, "b")))) < 1100
    assert bounded(("a", "b")) == ("a", "b")
