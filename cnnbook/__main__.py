"""``python -m cnnbook``, and the command ``cnnbook``."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line; a Ctrl-C while it is still being loaded is no traceback
    either."""
    sys.unraisablehook = _not_lost
    try:
        from cnnbook.cli import main

        main()
    except KeyboardInterrupt:
        print("cnnbook: stopped", file=sys.stderr)
        sys.exit(130)


def _not_lost(unraisable) -> None:
    """Send a Ctrl-C once more that came where Python drops it: in a destructor or a
    callback."""
    if unraisable.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(unraisable)
        return
    import _thread
    import signal
    import threading

    def again() -> None:
        main = threading.main_thread().ident
        # It also wakes a main thread that waits.
        if main is not None and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(main, signal.SIGINT)
        else:
            _thread.interrupt_main()

    threading.Timer(0.01, again).start()  # when this place is left


if __name__ == "__main__":
    run()
