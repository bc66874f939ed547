"""Binds a child's life to its parent's, so that a kill -9 of the parent leaves no orphan.

Linux only (prctl); elsewhere the child outlives a killed parent, and the next start waits for it.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def sent_when_parent_dies(number: signal.Signals) -> Callable[[], None]:
    """Return what the child runs between fork and exec so that it gets `number` when its parent dies.

    Linux sends it when the *thread* that forked ends, hence RuntimeError outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("start child processes from the main thread: they die with the thread that started them")
    if sys.platform != "linux":
        return _nothing
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: the child of a fork must not load libraries
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # died before prctl: the signal will never come
            os._exit(1)

    return bind


def _nothing() -> None:
    return None
