"""Who worked, and what was waited for: the kernel's accounts of processes, and what the server says of its own."""

import os
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from postgres import ENV, program

CORES = os.cpu_count()
EVERY = 0.1  # seconds between two looks at what the server's processes wait for

# What the backends at work wait for, if for anything but a core.
WAITS = """SELECT coalesce(wait_event_type || ' ' || wait_event, 'nothing'), count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND state = 'active' AND wait_event IS DISTINCT FROM 'ClientRead'
        AND pid <> pg_backend_pid() GROUP BY 1"""


def worked(pids):
    """Seconds of CPU that these processes have had, to the nanosecond: the clock of clock_getcpuclockid(3), on Linux."""
    total = 0
    for pid in pids:
        with suppress(OSError):  # it has ended
            total += time.clock_gettime_ns((~pid << 3) | 2)
    return total / 1e9


def family(pid):
    """A process and its children."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def machine():
    """Seconds in which the machine's cores were busy, and in which its host had none for it, since it was started."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick


def memory(pids):
    """Megabytes of memory of each of these processes on average: resident, and of that its own, shared with no other."""
    totals = Counter()
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            totals[line.split(":")[0]] += int(line.split()[1]) / 1000 / len(pids)
    return totals["Rss"], totals["Private_Clean"] + totals["Private_Dirty"]


class Meter:
    """What happens from its making to its reading. `who` are lists of process ids by name."""

    def __init__(self, url, server, seconds, **who):
        """`server` is the process id of PostgreSQL at `url`, whose waits are looked at for so many seconds."""
        self.who = who | {"PostgreSQL": family(server)}
        self.watch = subprocess.Popen([program("psql"), "-qAtX", "-F", "\t", url], env=ENV, text=True, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.watch.stdin.write(f"{WAITS} \\watch i={EVERY} c={max(1, int(seconds / EVERY))}\n")
        self.watch.stdin.close()
        self.before, self.machine, self.began = self.accounts(), machine(), time.monotonic()

    def accounts(self):
        return {name: worked(pids) for name, pids in self.who.items()}

    def read(self):
        """Seconds of CPU by name, the cores that were busy and stolen on average, and how often which wait was seen."""
        took = time.monotonic() - self.began
        cpu = {name: after - self.before[name] for name, after in self.accounts().items()}
        busy, stolen = (after - before for before, after in zip(self.machine, machine()))
        waits = Counter()
        for wait, number in (line.rstrip().split("\t") for line in self.watch.stdout if "\t" in line):
            waits[wait] += int(number)
        self.watch.wait()
        return {"seconds": took, "cpu": cpu, "busy": busy / took, "stolen": stolen / took,
                "others": (busy - sum(cpu.values())) / took, "waits": dict(waits.most_common())}


def in_words(wait):
    """What a backend waits for, where several names mean the same."""
    if wait.startswith("Lock "):
        return "row locks"
    if wait.lower() in ("lwlock walwrite", "io walwrite", "io walsync"):  # itself, or another that commits at the same time
        return "the log's way to the disk"
    return wait


def bottleneck(measured):
    """What keeps it from going faster, and what backends at work wait for."""
    cores = {name: seconds / measured["seconds"] for name, seconds in measured["cpu"].items()}
    shares = cores | {"other programs": measured["others"]}
    most = max(shares, key=shares.get)
    waits, looks = Counter(), sum(measured["waits"].values()) or 1
    for wait, number in measured["waits"].items():
        waits[in_words(wait)] += number
    longest, number = max(waits.items(), key=lambda item: item[0] != "nothing" and item[1], default=("nothing", 0))
    if cores["driver"] > 0.9:
        what = "the driver, which has one core: this measures nothing else"
    elif cores.get("pooler", 0) > 0.9:
        what = "the pooler, which has one core"
    elif measured["busy"] + measured["stolen"] > 0.9 * CORES:
        what = f"CPU, most of it taken by {most} ({shares[most]:.2f} of {CORES} cores)"
    elif number > looks / 3:
        what = longest
    else:
        what = "the clients, each of which waits for its answer"
    return f"{what}; backends wait for {', '.join(f'{wait} {n / looks:.0%}' for wait, n in waits.most_common(3))}"
