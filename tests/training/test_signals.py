import os
import signal
import subprocess
import sys
import threading

import pytest

from maskwright.training.signals import stop_signals

LOOP = """
import sys, time
from maskwright.training.signals import stop_signals
with stop_signals() as stop:
    print("ready", flush=True)
    step = 0
    while not stop:
        step += 1
        time.sleep(0.01)
    print("left after a whole step by", stop.signal.name, flush=True)
    if "hang" in sys.argv:
        time.sleep(60)
print("saved", flush=True)
"""


def start(*args: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_is_a_wish(number: signal.Signals):
    process = start()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert out == f"left after a whole step by {number.name}\nsaved\n"
    assert "finishing this step and saving" in err
    assert process.returncode == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_the_second_ends_the_process(first: signal.Signals, second: signal.Signals):
    process = start("hang")
    assert process.stdout is not None
    process.send_signal(first)
    assert "left after a whole step" in process.stdout.readline()
    process.send_signal(second)
    out, _ = process.communicate(timeout=20)
    assert out == ""
    assert process.returncode == -second


def test_handlers_are_put_back():
    def mine(number: int, frame: object) -> None:
        pass

    old, interrupt = signal.signal(signal.SIGTERM, mine), signal.getsignal(signal.SIGINT)
    try:
        with stop_signals() as stop:
            assert not stop
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop
            assert stop.signal == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGINT) is interrupt  # ignored, where the tests run in the background
        with pytest.raises(ValueError, match="within"), stop_signals():
            raise ValueError("within")
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, old)


def test_in_another_thread_it_never_becomes_true():
    seen = []

    def work() -> None:
        with stop_signals() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
