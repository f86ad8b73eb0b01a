"""Works on a Ray cluster of nodes on this machine while something is killed, and compares the bytes.

    python benchmarks/kills_shards.py --work FOLDER --out kills.json --tries 20
    python benchmarks/kills_shards.py --work FOLDER --out equal.json --equal

On generated tables of several shards each try does a verb (prep, train or predict) with `--on ray` and kills, with
signal 9 and at a random moment, a worker, a node (its raylet and workers; another is started), or the command, which is
then called again (train with --resume). It counts in how many tries the files have the bytes of the verb done
undisturbed in one process. `--equal` kills nothing: it does the verbs here, in processes and on one, two and three
nodes, for several numbers of shards. Both end with exit code 1 where not all bytes are the same.
"""

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import kills
import scale

CHANGES = ("train.members=3", "train.epochs=2", "calibration.windows=1")
VERBS = ("prep", "train", "predict")


@dataclass(frozen=True)
class Tables:
    """A folder with tables and a config, and in `reference` what the verbs made of them, here and undisturbed."""

    work: Path
    n_shards: int

    @property
    def reference(self) -> Path:
        return self.work / f"reference-{self.n_shards}"

    def command(self, verb: str, out: Path, on: str, *more: str) -> list[str]:
        data = ["--data", str(self.work / "data")]
        match verb:
            case "prep":
                config = ["--config", str(self.work / "config.json")]
                words = [*config, *data, "--out", str(out), "--shards", str(self.n_shards)]
            case "train":
                changes = [part for change in CHANGES for part in ("-S", change)]
                words = ["--prep", str(self.reference / "prep"), "--out", str(out), *changes]
            case _:
                words = [str(self.reference / "train"), *data, "--out", str(out / "forecast.csv")]
                out.mkdir(parents=True, exist_ok=True)
        return [sys.executable, "-m", "tabcli", verb, *words, "--on", on, *more]

    def make_reference(self) -> None:
        for verb in VERBS:
            subprocess.run(self.command(verb, self.reference / verb, "here"), check=True, capture_output=True)


def digest(out: Path) -> str:
    """One hash of all files of what a verb made, but for those that tell times; "none" where it made nothing."""
    told = ("manifest.json", "metrics.json", "metrics.jsonl", "loss.png", "MODEL_CARD.md", "DATASHEET.md")
    # What a killed command was working on lies in hidden folders beside what it writes.
    whole = [p for p in sorted(out.rglob("*")) if not any(part[0] == "." for part in p.relative_to(out).parts)]
    found = [p for p in whole if p.is_file() and p.name not in told]
    total = hashlib.sha256()
    for path in found:
        total.update(f"{path.relative_to(out)} ".encode())
        total.update(path.read_bytes())
    return total.hexdigest() if found else "none"


def disturbed(tables: Tables, verb: str, out: Path, victim: str, seconds: float) -> float:
    """Does the verb on the cluster, and kills the victim after so many seconds; seconds until it is done."""
    for old in (out, out.with_name(f"{out.name}.partial")):
        shutil.rmtree(old, ignore_errors=True)
    started = time.perf_counter()
    process = subprocess.Popen(tables.command(verb, out, "ray"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(seconds)
    match victim:
        case "worker":
            while process.poll() is None and not (there := kills.training()):
                time.sleep(0.02)
            kills.kill(*there[:1])
        case "node":
            raylet = kills.raylets()[-1]  # not the head's, which is the oldest
            kills.kill(raylet, *kills.children(raylet))
            kills.start_node(f"--address=127.0.0.1:{kills.PORT}")
        case "command":
            process.kill()
    process.communicate()
    if victim == "command":
        again = tables.command(verb, out, "ray", *(["--resume"] if verb == "train" else []))
        subprocess.run(again, capture_output=True, check=False)
    return time.perf_counter() - started


def killed(tables: Tables, out: Path, n_tries: int, verbs: Sequence[str]) -> list[dict[str, object]]:
    """Each verb undisturbed, then the tries, by turns of verbs and victims."""
    draw, tries, whole = random.Random(1), list[dict[str, object]](), dict[str, float]()
    with kills.cluster():
        for i in range(-len(verbs), n_tries):
            verb, victim = verbs[i % len(verbs)], kills.VICTIMS[i // len(verbs) % 3] if i >= 0 else "none"
            after = draw.uniform(0.2, 0.9) * whole.get(verb, 0.0)
            seconds = disturbed(tables, verb, out, victim, after)
            whole.setdefault(verb, seconds)
            same = digest(out) == digest(tables.reference / verb)
            told = {
                "verb": verb,
                "victim": victim,
                "after": round(after, 1),
                "seconds": round(seconds, 1),
                "same": same,
            }
            print(f"try {i + 1}: {told}", file=sys.stderr)
            tries.append({**told})
    return tries


def equal(tables: Tables, out: Path, verbs: Sequence[str]) -> list[dict[str, object]]:
    """Each verb in processes and on one to three nodes, against the reference."""
    tries = list[dict[str, object]]()

    def compare(on: str, nodes: int) -> None:
        for verb in verbs:
            shutil.rmtree(out, ignore_errors=True)
            subprocess.run(tables.command(verb, out, on), check=True, capture_output=True)
            same = digest(out) == digest(tables.reference / verb)
            tries.append({"verb": verb, "shards": tables.n_shards, "on": on, "nodes": nodes, "same": same})
            print(tries[-1], file=sys.stderr)

    compare("processes", 1)
    for nodes in (1, 2, 3):
        with kills.cluster(nodes):
            compare("ray", nodes)
    return tries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the tables and what is made of them")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file for all tries")
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=VERBS)
    parser.add_argument("--equal", action="store_true")
    parser.add_argument("--rows", type=float, default=4e5)
    parser.add_argument("--shards", type=int, nargs="+", help="by default 5; with --equal 1, 3 and 7")
    options = parser.parse_args()
    work, n_series = options.work, max(2, round(options.rows / scale.DAYS))
    scale.generate(work / "data" / "train.csv", 0, scale.DAYS, n_series)
    scale.generate(work / "data" / "future.csv", scale.DAYS, scale.DAYS + scale.AHEAD, n_series)
    (work / "config.json").write_text(json.dumps(scale.CONFIG))
    tries = list[dict[str, object]]()
    for n_shards in options.shards or ((1, 3, 7) if options.equal else (5,)):
        tables = Tables(work, n_shards)
        tables.make_reference()
        made = work / "made"
        tries += (
            equal(tables, made, options.verbs) if options.equal else killed(tables, made, options.tries, options.verbs)
        )
        options.out.write_text(json.dumps(tries, indent=1) + "\n")
    n_same = sum(bool(t["same"]) for t in tries)
    print(f"{n_same} of {len(tries)} have the same bytes")
    if n_same < len(tries):
        raise SystemExit("some have other bytes, or did not end")


if __name__ == "__main__":
    main()
