#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/RELIABILITY.md from what the long tests left in build/logs; the rest stays as it is there."""

import pathlib
import re

from t_faults import CELLS

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "logs"
FILE = ROOT / "tests" / "RELIABILITY.md"
OLD = FILE.read_text()
KERNELS = ("6.1", "6.12", "kasan", "6.1 usbfs", "6.12 usbfs", "7.3 usbfs")  # what t_faults.py is told
ENDS = {"same": "nobody notices", "again": "attached again by itself", "own": "our end does its part"}
HEAD = """# What faults do

Written by `make test-long`. Each row is a cell of `tests/vm/t_faults.py`: a fault in the lab, with a stick
and a keyboard attached. A cell is "ok" when the data that was written and synced before the fault is intact,
every device is where it should be, no process, descriptor, slot, port or record is left over, and the guest's
kernel has nothing to complain about. "Nobody notices": the same sessions go on and no byte is lost. Seconds
are the guest's own, on the first kernel: from the fault until the host has its devices free (freed); until the
client's ports are free (gone), after that where both are given; from the fault's end until all is attached again
(attached). KASAN: Linux 6.1 with KASAN, lock proving and hung-task detection; without modules, so two cells have
no meaning there. USBFS: the host has no usbip-host, and its devices are exported over usbfs; the cells about
usbip-host and with the stock usbipd have no meaning there. "-": not measured on that kernel.

The stock tools were put through the same faults in the same lab (`tests/vm/stock.py`): bound and attached by hand
once, as they have nothing that would do it again. They have no deadlines, so a short or idle cut does them no
harm, while usbiphp lets go after 15 s and attaches anew; with `--dead-after 0` it does as they do.
"""


def read(name):
    path = LOGS / name
    return path.read_text(errors="replace") if path.exists() else ""


def results(kernel):
    """{cell: "ok" or what was wrong}, and the first commit; another one is in brackets."""
    names = {cell[0] for cell in CELLS}
    found, base, commit = {}, None, None
    for line in read(f"t_faults-{kernel.replace(' ', '-')}.out").splitlines():
        said = re.match(rf"(# commit|ok|not ok)(?: - {kernel}:)? (.*)", line)
        if not said:
            continue
        status, text = said.groups()
        if status == "# commit":
            commit = text
            base = base or commit
            continue
        name = text if status == "ok" else next((x for x in names if text.startswith(x + ": ")), "")
        if name in names:
            found[name] = status + (f" ({commit})" if commit != base else "")
    old = re.search(rf"^Commits\..*\b{title(kernel)}: (\w+)", OLD, re.M)
    return found or column(kernel.upper()), base or (old and old[1])


def title(kernel):
    return kernel.upper() if kernel == "kasan" else f"Linux {kernel.upper()}"


def column(name):
    """{cell: what the table says so far}."""
    heads, _, *rows = [x[2:-2].split(" | ") for x in OLD.splitlines() if x.startswith("|")]
    place = heads.index(name) if name in heads else -1
    return {row[0]: row[place] for row in rows if place >= 0}


def seconds():
    """{cell: what took how long}, on the first kernel."""
    text = read(f"t_faults-{KERNELS[0]}.log")
    found = {name: ", ".join(re.findall(r"(?:freed|gone|attached) [\d.]+", took))
             for name, took in re.findall(r"^# (.+?): (\w+ [\d.]+ s(?:, .*)?)$", text, re.M)}
    return found or column("seconds")


def stock():
    """{cell: what the stock tools did}."""
    found = re.findall(r"^ok - stock: ([^\t]+)\t(.*)$", read(f"stock-{KERNELS[0]}.out"), re.M)
    return dict(found) or column("the stock tools")


def commits(by_kernel):
    """Of which commits the results are, and what was written under that."""
    notes = re.search(r"^Commits\..*\n((?:[^|\n].*\n)*)", OLD, re.M)
    found = [f"{title(kernel)}: {base}" for kernel, (_, base) in by_kernel.items() if base]
    return (f"Commits. {', '.join(found)}. A cell that was measured again names its commit.\n" +
            (notes[1] if notes else ""))


def table(by_kernel):
    took, others = seconds(), stock()
    yield "| fault | the stock tools | usbiphp | seconds | " + " | ".join(KERNELS).upper() + " |"
    yield "|---|---|---|---|" + "---|" * len(KERNELS)
    for name, _, end, *_ in CELLS:
        row = [name, others.get(name, ""), ENDS[end], took.get(name, "")]
        row += [by_kernel[kernel][0].get(name, "-") for kernel in KERNELS]
        yield f"| {' | '.join(row)} |"


def others():
    """Lines of the other long tests."""
    soaks = "".join(path.read_text(errors="replace") for path in sorted(LOGS.glob("t_soak-*.log")))
    found = [f"- Soak, kernel {line}" for line in re.findall(
        r"^# ([\d.]+(?: usbfs)?: \d+ (?:plugs|pulls): .*)$", soaks, re.M)]
    for name, what in (("prove", r"^# (\d+ of \d+ proved)$"), ("mutate", r"^# (\d+ mutations of .*)$")):
        found += [f"- `make {name}`: {line}" for line in re.findall(what, read(f"{name}.out"), re.M)]
    measured = {line.partition(":")[0] for line in found}
    return [x for x in OLD.splitlines() if x.startswith("- ") and x.partition(":")[0] not in measured] + found


def main():
    by_kernel = {kernel: results(kernel) for kernel in KERNELS}
    text = "\n".join([HEAD, commits(by_kernel), *table(by_kernel), "", *others()])
    FILE.write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    main()
