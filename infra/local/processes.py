"""Starting commands and ending them: no process is left behind, whatever ends this one."""

import ctypes
import os
import signal
import subprocess
import sys

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def on_signals(handler):
    """What to do when told to stop. Under nohup, losing the terminal stays no reason to."""
    for one in SIGNALS:
        if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, handler)


def leave(number, _):
    """The handler that stops by an exception, so that every `finally` runs."""
    sys.exit(128 + number)


def finish():
    """From here on we clean up, and a second Ctrl-C must not cut that short."""
    on_signals(signal.SIG_IGN)


def end_with_us(how=signal.SIGTERM):
    """Called in a child process: have Linux end it when this one is gone, even by kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, how)  # PR_SET_PDEATHSIG


def run(command, **env):
    """Run a command of the user's until it ends by itself; its exit code."""
    try:
        child = subprocess.Popen(command, env=os.environ | env)
    except OSError as e:
        print(f"{command[0]}: {e.strerror}", file=sys.stderr)
        return 127

    def pass_on(number, _):
        if number != signal.SIGINT or not os.isatty(0):  # a terminal sends its Ctrl-C to the command as well
            child.send_signal(number)

    on_signals(pass_on)
    code = child.wait()
    return code if code >= 0 else 128 - code


def background(command, **options):
    """Start a command that the terminal's Ctrl-C doesn't reach: we end it, in order."""
    return subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_us, **options)


def end(*processes, patience=5):
    """End processes, by force those that don't within some seconds."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            patience = 0
            process.kill()
            process.wait()
