"""Trains on a Ray cluster of three nodes, or by several ranks, while something is killed, and compares the bytes.

    tabcli synth data --stores 100 --days 700
    tabcli prep --config configs/quickstart.yaml --data data --out prep
    python benchmarks/kills.py prep --out kills.json --tries 20
    python benchmarks/kills.py prep --out kills.json --tries 20 --nproc 2

Each try kills, with signal 9 and at a random moment, a worker, a node (its raylet and workers; another one is started),
or the command itself, which is then called again with --resume; with --nproc a rank or the command. It counts in how
many tries the networks have the bytes of those that were trained undisturbed, in one process or by as many ranks, and
ends with exit code 1 where it is not all of them.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

PORT = 6391
NODES = 3
NO_LOGS = "--include-log-monitor=false"  # which copies what tasks print to the process that asked
CHANGES = ("train.members=3", "train.epochs=3", "calibration.windows=1")
CHANGES_OF_RANKS = ("train.members=1", "train.epochs=8", "calibration.windows=0")
VICTIMS = ("worker", "node", "command")
VICTIMS_OF_RANKS = ("rank 0", "rank 1", "command")


def ray(*words: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("ray")), *words], check=True, capture_output=True)


def start_node(*words: str) -> None:
    ray("start", *words, "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats", NO_LOGS)


@contextmanager
def cluster(n_nodes: int = NODES) -> Iterator[None]:
    """Nodes on this machine, with a token of their own; RAY_ADDRESS names them."""
    with tempfile.TemporaryDirectory() as home:
        token = Path(home) / "token"
        token.write_text(hashlib.sha256(os.urandom(16)).hexdigest())
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
        os.environ.setdefault("RAY_worker_niceness", "0")
        start_node("--head", f"--port={PORT}", "--include-dashboard=false", "--no-monitor")
        os.environ["RAY_ADDRESS"] = f"127.0.0.1:{PORT}"
        try:
            for _ in range(n_nodes - 1):
                start_node(f"--address=127.0.0.1:{PORT}")
            yield
        finally:
            kill(*of_cluster())


def of_cluster() -> list[int]:
    """All processes of this benchmark's nodes."""
    named = [
        pid for pid, line in processes() if "ray" in line and re.search(rf"[:=]{PORT}\b", line) and pid != os.getpid()
    ]
    return sorted({*named, *(child for raylet in raylets() for child in children(raylet))})


def raylets() -> list[int]:
    """The processes of this benchmark's nodes, the head's first."""
    return [pid for pid, line in processes() if "raylet/raylet" in line and f":{PORT} " in line]


def processes() -> list[tuple[int, str]]:
    """Every process and its command line, the oldest first."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                found.append(
                    (int(process.name), (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " "))
                )
    return sorted(found)


def training() -> list[int]:
    """The workers of this benchmark's nodes that train a network now."""
    workers = {child for raylet in raylets() for child in children(raylet)}
    return [pid for pid, line in processes() if pid in workers and line.startswith("ray::perform_there")]


def ranks(command: int) -> list[int]:
    """The ranks of a command, in their order."""
    own = set(children(command))
    return [pid for pid, line in processes() if pid in own and "tabcli.engines.worker" in line]


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def command(prep: str, out: Path, *more: str) -> list[str]:
    """The training; `more`: --on or --nproc, --resume."""
    chosen = CHANGES_OF_RANKS if "--nproc" in more else CHANGES
    changes = [part for change in chosen for part in ("-S", change)]
    return [sys.executable, "-m", "tabcli", "train", "--prep", prep, "--out", str(out), *changes, *more]


def digest(run: Path) -> str:
    """One hash of all networks of a run; "none" where there is no whole run."""
    files = sorted(run.glob("member-*.safetensors"))
    return (
        hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()
        if (run / "manifest.json").exists()
        else "none"
    )


def one_of(listed: Callable[[], list[int]], place: int) -> int | None:
    """The process at that place of a list, as soon as it has so many, within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(there := listed()) > place:
            return there[place]
        time.sleep(0.02)
    return None


def disturbed(prep: str, out: Path, way: list[str], victim: str, seconds: float) -> float:
    """Trains this way, and kills the victim after so many seconds; seconds until the run is there."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(out.with_name(f"{out.name}.partial"), ignore_errors=True)
    started = time.perf_counter()
    process = subprocess.Popen(command(prep, out, *way), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(seconds)
    match victim:
        case "worker":
            kill(*filter(None, [one_of(training, 0)]))
        case "rank 0" | "rank 1":
            kill(*filter(None, [one_of(lambda: ranks(process.pid), int(victim[-1]))]))
        case "node":
            raylet = raylets()[-1]  # not the head's, which is the oldest
            kill(raylet, *children(raylet))
            start_node(f"--address=127.0.0.1:{PORT}")
        case "command":
            process.kill()
    process.communicate()
    if victim == "command":
        subprocess.run(command(prep, out, *way, "--resume"), capture_output=True, check=False)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prep", help="the prep directory whose training rows are learned")
    parser.add_argument("--out", required=True, help="the JSON file for all tries")
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--nproc", type=int, help="without Ray; so many ranks train each network")
    options = parser.parse_args()
    draw, tries, victims = random.Random(1), [], VICTIMS if options.nproc is None else VICTIMS_OF_RANKS
    way = ["--on", "ray"] if options.nproc is None else ["--nproc", str(options.nproc)]
    undisturbed = ["--on", "here"] if options.nproc is None else way
    with tempfile.TemporaryDirectory() as folder, cluster() if options.nproc is None else nullcontext():
        here, there = Path(folder) / "here", Path(folder) / "there"
        subprocess.run(command(options.prep, here, *undisturbed), check=True, capture_output=True)
        started = time.perf_counter()
        subprocess.run(command(options.prep, there, *way), check=True, capture_output=True)
        whole, wanted = time.perf_counter() - started, digest(here)
        tries.append({"victim": "none", "seconds": round(whole, 1), "same": digest(there) == wanted})
        for i in range(options.tries):
            victim, after = victims[i % 3], draw.uniform(0.1, 0.9) * whole
            seconds = disturbed(options.prep, there, way, victim, after)
            same = digest(there) == wanted
            tries.append({"victim": victim, "after": round(after, 1), "seconds": round(seconds, 1), "same": same})
            print(f"try {i + 1}: {tries[-1]}", file=sys.stderr)
    Path(options.out).write_text(json.dumps(tries, indent=2) + "\n")
    n_same = sum(bool(t["same"]) for t in tries)
    print(f"{n_same} of {len(tries)} runs have the same bytes")
    if n_same < len(tries):
        raise SystemExit("some runs have other bytes, or did not end")


if __name__ == "__main__":
    main()
