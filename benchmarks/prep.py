"""Times and peak memory of `tabcli prep` beside others that make the same tables, in one run, taking turns.

    python benchmarks/prep.py --data data/rossmann --out prep.json      the real tables
    python benchmarks/prep.py --stores 1115 --out prep.json             generated ones of that many stores

    tabcli         the command, with start-up and all checks
    inside         the same called from Python; `inside` is its time without start-up
    start          what of that passes before anything is read: Python and the imports
    read, write    pyarrow.csv reads the same files; the encoded tables are written as Parquet
    pandas         features_pandas.py
    notebook       features_notebook.py, once, because it is slow

Each in a process of its own. Seconds are medians: `wall` by the clock, `cpu` of all cores; `inside` of reading and
writing alone, without start-up: their sum is the floor that the ratios refer to, but for the one *with start-up*, which
has the seconds that the reading process needs to start in it. `megabytes`: the peak of memory.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
FLOOR = """
import sys, time
from pathlib import Path
import pyarrow.csv, pyarrow.parquet
prep, data, out = map(Path, sys.argv[1:])
tables = {p.name: pyarrow.parquet.read_table(p) for p in prep.glob("*.parquet")} if out.name == "write" else {}
started = time.perf_counter(), time.process_time()
if not tables:
    for path in data.glob("*.csv"):
        pyarrow.csv.read_csv(path)
out.mkdir(exist_ok=True)
for name, table in tables.items():
    pyarrow.parquet.write_table(table, out / name)
print("inside", time.perf_counter() - started[0], time.process_time() - started[1])
"""
INSIDE = """
import sys, time
import tabcli
from tabcli.memory import reuse_freed_memory
config, data, out = sys.argv[1:]
reuse_freed_memory()  # as the command does
started = time.perf_counter(), time.process_time()
tabcli.prep(config, data, out, force=True)
print("inside", time.perf_counter() - started[0], time.process_time() - started[1])
"""
RENAMED = {
    "train": "Store DayOfWeek Date Sales Customers Open Promo StateHoliday SchoolHoliday",
    "test": "Id Store DayOfWeek Date Open Promo StateHoliday SchoolHoliday",
    "stores": "Store StoreType Assortment CompetitionDistance CompetitionOpenSinceMonth CompetitionOpenSinceYear "
    "Promo2 Promo2SinceWeek Promo2SinceYear PromoInterval",
    "store_states": "Store State",
    "weather": "file Date Max_TemperatureC Mean_TemperatureC Min_TemperatureC Mean_Humidity Mean_Wind_SpeedKm_h "
    "CloudCover Events",
    "trend": "file week trend",
}


def generate(folder: Path, stores: int) -> None:
    """Tables of `tabcli synth` under the names that the real ones have."""
    made = folder / "synth"
    subprocess.run([sys.executable, "-m", "tabcli", "synth", str(made), "--stores", str(stores)], check=True)
    for name, columns in RENAMED.items():
        table = pd.read_csv(made / f"{name}.csv", dtype={"state_holiday": str}, keep_default_na=False)
        table.columns = columns.split()
        if name == "weather":
            humidity, wind = table["Mean_Humidity"], table["Mean_Wind_SpeedKm_h"]
            table = table.assign(Max_Humidity=humidity, Min_Humidity=humidity, Max_Wind_SpeedKm_h=wind)
            states = pd.DataFrame({"StateName": table["file"].unique(), "State": table["file"].unique()})
            states.to_csv(folder / "state_names.csv", index=False)
        if name == "trend":
            regions = table["file"].str.replace("Land", "Rossmann_DE").replace("Rossmann_DE_HB,NI", "Rossmann_DE_NI")
            table = table.assign(file=regions)
        table.to_csv(folder / f"{ {'stores': 'store', 'trend': 'googletrend'}.get(name, name) }.csv", index=False)


def run(command: list[str]) -> dict[str, float]:
    """Wall and CPU seconds and peak megabytes of one process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    found = {"wall": wall, "cpu": used.ru_utime + used.ru_stime, "megabytes": used.ru_maxrss / 1024}
    for line in output.splitlines():
        if line.startswith("inside"):
            found["inside"], found["inside_cpu"] = map(float, line.split()[1:])
    return found


def measure(data: Path, folder: Path, n: int, slow: bool) -> dict[str, dict[str, Any]]:
    """All runs, taking turns; the first of tabcli gives the encoded tables that the floor writes."""
    config = HERE.parent / "configs" / "rossmann.yaml"
    prep, python = folder / "prep", sys.executable
    floor = [python, "-c", FLOOR, str(prep), str(data)]
    commands = {
        "tabcli": [
            *(python, "-m", "tabcli", "prep", "--config", str(config)),
            *("--data", str(data), "--out", str(prep), "--force"),
        ],
        "inside": [python, "-c", INSIDE, str(config), str(data), str(folder / "inside")],
        "start": [python, "-c", "import tabcli.api.prep"],
        "read": [*floor, str(folder / "read")],
        "write": [*floor, str(folder / "write")],
        "pandas": [python, str(HERE / "features_pandas.py"), str(data), str(folder / "pandas")],
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    run(commands["tabcli"])  # so that the files are in memory for all
    for _ in range(n):
        for name, command in commands.items():
            runs[name].append(run(command))
    if slow:
        command = [python, str(HERE / "features_notebook.py"), str(data), str(folder / "notebook")]
        runs["notebook"] = [run(command)]
    return {
        name: {"runs": len(found), **{k: round(statistics.median(r[k] for r in found), 3) for k in found[0]}}
        for name, found in runs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder with the real tables")
    parser.add_argument("--stores", type=int, default=1115, help="without --data: how many stores to generate")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-notebook", action="store_true", help="leave out the slow one")
    parser.add_argument("--out", type=Path, help="the JSON file; by default it is only printed")
    options = parser.parse_args()
    slow = not options.no_notebook
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data.resolve() if options.data else folder / "data"
        if options.data is None:
            data.mkdir()
            generate(data, options.stores)
        results = measure(data, folder, options.runs, slow)
        encoded = sum(
            pd.read_parquet(p).memory_usage().sum() for p in (folder / "prep").glob("*.parquet") if p.stem != "events"
        )
    read, write = results["read"], results["write"]
    floor = {k: round(read[k] + write[k], 3) for k in ("inside", "inside_cpu")}
    facts = {
        "tables": "real" if options.data else f"generated, {options.stores} stores",
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "python": platform.python_version(),
        "encoded_megabytes": round(encoded / 2**20),
        "floor": floor,
        "ratios": {
            f"{name} / floor": round(found["wall"] / floor["inside"], 2)
            for name, found in results.items()
            if name not in ("inside", "start", "read", "write")
        }
        | {
            "tabcli without start-up / floor": round(results["inside"]["inside"] / floor["inside"], 2),
            "tabcli / floor with start-up": round(results["tabcli"]["wall"] / (read["wall"] + write["inside"]), 2),
            "notebook / tabcli": round(results["notebook"]["wall"] / results["tabcli"]["wall"], 1) if slow else None,
            "peak / encoded": round(results["tabcli"]["megabytes"] / (encoded / 2**20), 2),
        },
        "results": results,
    }
    text = json.dumps(facts, indent=1)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
