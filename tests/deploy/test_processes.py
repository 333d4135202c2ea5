"""The supervisor of any commands: restarts, pauses, ends, and leaves nobody behind."""

import itertools
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from deploy.embedded.home import open_home
from deploy.processes import Child, Command, Supervisor
from tests.deploy.conftest import alive

SLEEP = "import time; time.sleep(600)"
PARENT_OF_A_DEAF_CHILD = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
path = pathlib.Path(sys.argv[1])
path.with_suffix(".new").write_text(str(child.pid))
path.with_suffix(".new").rename(path)
time.sleep(600)
"""
SUPERVISOR = """
import os, sys, time
from deploy.processes import Command, Supervisor
code = "import time; time.sleep(600)"
supervisor = Supervisor([Command(n, (sys.executable, "-c", code), dict(os.environ)) for n in "ab"])
with supervisor.running():
    while not all(child.pid for child in supervisor.children):
        time.sleep(0.01)
    print(*(child.pid for child in supervisor.children), flush=True)
    sys.stdin.read()
"""


def command(code: str, *arguments: object, **options) -> Command:
    return Command("a child", (sys.executable, "-c", code, *map(str, arguments)), dict(os.environ), **options)


def test_a_killed_child_is_started_again(eventually):
    with Supervisor([command(SLEEP)]).running() as supervisor:
        child = supervisor.children[0]
        eventually(lambda: child.pid)
        first = child.pid
        os.kill(first, signal.SIGKILL)
        eventually(lambda: child.pid not in (None, first))
        second = child.pid
        assert alive(second)
    assert not alive(second)


def test_a_child_that_fails_at_once_is_tried_again_after_growing_pauses(tmp_path, eventually):
    code = "import sys, time; open(sys.argv[1], 'a').write(f'{time.time()}\\n'); sys.exit(3)"
    with Supervisor([command(code, tmp_path / "starts")]).running() as supervisor:
        eventually(lambda: supervisor.children[0].failures >= 4)
    starts = [float(line) for line in (tmp_path / "starts").read_text().split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert all(gap >= pause for gap, pause in zip(gaps, (0.2, 0.4, 0.8), strict=False))


def test_stop_is_a_signal_that_the_child_can_act_on(tmp_path, eventually):
    code = (
        "import signal, sys, time, pathlib\n"
        "signal.signal(signal.SIGINT, lambda *_: (pathlib.Path(sys.argv[1]).write_text('bye'), sys.exit(0)))\n"
        "pathlib.Path(sys.argv[2]).touch()\n"
        "time.sleep(600)"
    )
    asked = command(code, tmp_path / "last words", tmp_path / "listening", stop_signal=signal.SIGINT)
    with Supervisor([asked]).running():
        eventually((tmp_path / "listening").exists)
    assert (tmp_path / "last words").read_text() == "bye"


def test_a_deaf_child_is_killed_after_its_grace_with_its_own_children(tmp_path, eventually):
    pid_file = tmp_path / "grandchild"
    with Supervisor([command(PARENT_OF_A_DEAF_CHILD, pid_file, grace=0.3)]).running() as supervisor:
        eventually(pid_file.exists)
        child = supervisor.children[0].pid
        began = time.monotonic()
    assert time.monotonic() - began >= 0.3
    eventually(lambda: not alive(int(pid_file.read_text())))
    assert not alive(child)


def test_a_killed_child_takes_its_own_children_along(tmp_path, eventually):
    pid_file = tmp_path / "grandchild"
    with Supervisor([command(PARENT_OF_A_DEAF_CHILD, pid_file, grace=0.1)]).running() as supervisor:
        eventually(pid_file.exists)
        grandchild = int(pid_file.read_text())
        os.kill(supervisor.children[0].pid, signal.SIGKILL)
        eventually(lambda: not alive(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="death signals are Linux's")
def test_a_killed_supervisor_takes_its_children_down(python, eventually):
    supervisor = python(SUPERVISOR)
    pids = [int(pid) for pid in supervisor.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    supervisor.kill()
    eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_failing_extra_duty_does_not_end_the_supervision(eventually):
    rounds = []

    def fail() -> None:
        rounds.append(1)
        raise OSError("a duty failed")

    with Supervisor([command(SLEEP)], also=fail).running() as supervisor:
        eventually(lambda: len(rounds) > 2)
        assert alive(supervisor.children[0].pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_command_can_run_as_another_account_without_roots_groups(state_dir):
    account = open_home(state_dir).account
    log = state_dir / "identity.log"
    child = Child(Command("id", ("sh", "-c", "id -u; id -G"), dict(os.environ), account=account, log=log))
    child.poll()
    child.process.wait()
    assert log.read_text().split() == [str(account.uid), str(account.gid)]


def test_output_goes_to_the_log_file(tmp_path: Path):
    child = Child(command("print('said')", log=tmp_path / "log"))
    child.poll()
    child.process.wait()
    assert (tmp_path / "log").read_text() == "said\n"
