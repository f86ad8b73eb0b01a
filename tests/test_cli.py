"""The real command line: the whole job, wrong inputs, and what each prints."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

import tabcli
from tabcli.bundle import directories
from tabcli.cli.app import app
from tabcli.errors import ConfigError, DataError
from tabcli.forecasting.outputs import significant
from tests.conftest import CONFIG, HORIZON, N_DAYS, N_SHOPS, make_tables, write_folder


def run(*words: object, code: int = 0) -> Result:
    """A command under the runner; its exit code must be `code`, and there must be no traceback."""
    done = CliRunner().invoke(app, [str(w) for w in words], prog_name="tabcli")
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.output}"
    assert "Traceback" not in done.output
    return done


ALONE = ["-S", "calibration.windows=0"]
"""One network, without those of past windows."""


def last_lines(result: Result) -> str:
    return result.stderr.strip()


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, config.yaml, prep, run and submission.csv, made by the three commands."""
    root = tmp_path_factory.mktemp("job")
    write_folder(root / "data", make_tables())
    (root / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    run("prep", "--config", root / "config.yaml", "--data", root / "data", "--out", root / "prep")
    run("train", "--config", root / "config.yaml", "--prep", root / "prep", "--out", root / "run")
    run("predict", root / "run", "--data", root / "data", "--out", root / "submission.csv")
    return root


# ------------------------------------------------------------------------------------- the whole job


def test_the_submission_has_each_id_once_in_order_in_few_digits_and_zero_when_closed(job: Path) -> None:
    future = pd.read_csv(job / "data" / "ahead.csv")
    text = (job / "submission.csv").read_text()
    made = pd.read_csv(job / "submission.csv")
    assert text.startswith("row,units\n")
    assert made["row"].tolist() == future["row"].tolist()
    closed = future["open"] == 0
    assert (made.loc[closed, "units"] == 0).all()
    assert (made.loc[~closed, "units"] > 0).all()
    np.testing.assert_array_equal(made["units"], significant(made["units"].to_numpy()))


def test_the_forecast_is_near_the_process(job: Path) -> None:
    """Noise of 5 %: even this tiny network must come within a few times of it."""
    metrics = json.loads((job / "run" / "metrics.json").read_text())
    assert metrics["valid_rmspe"] < 0.25


def test_a_rerun_says_unchanged_and_touches_nothing(job: Path) -> None:
    before = {p: p.stat().st_mtime_ns for d in ("prep", "run") for p in (job / d).iterdir()}
    done = run("prep", "--config", job / "config.yaml", "--data", job / "data", "--out", job / "prep")
    assert f"unchanged: {job / 'prep'}" in done.stdout
    done = run("train", "--config", job / "config.yaml", "--prep", job / "prep", "--out", job / "run")
    assert f"unchanged: {job / 'run'}" in done.stdout
    assert before == {p: p.stat().st_mtime_ns for d in ("prep", "run") for p in (job / d).iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(job: Path, tmp_path: Path) -> None:
    for name, options in (("again", []), ("other", ["-S", "seed=8"])):
        run("train", "--prep", job / "prep", "--out", tmp_path / name, *options)
        run("predict", tmp_path / name, "--data", job / "data", "--out", tmp_path / f"{name}.csv")
    expected = (job / "submission.csv").read_bytes()
    assert (tmp_path / "again.csv").read_bytes() == expected
    assert (tmp_path / "other.csv").read_bytes() != expected


def test_python_and_the_command_line_give_the_same(job: Path) -> None:
    """DataFrames in, a table out, nothing written: the same forecast as through files."""
    tables = make_tables()
    prep = tabcli.prep(CONFIG, data=tables)
    trained = tabcli.train(prep)
    made = tabcli.predict(trained, data=tables).table
    assert prep.path is None
    pd.testing.assert_frame_equal(made, pd.read_csv(job / "submission.csv"))
    scores = tabcli.evaluate(made, made.assign(units=made["units"] * 2))
    assert scores.metrics["wape"] == pytest.approx(0.5)
    assert scores.metrics["bias"] == pytest.approx(-0.5)


def test_a_forecaster_gives_for_single_rows_what_predict_gives_for_all(job: Path) -> None:
    tables = make_tables()
    ready = tabcli.forecaster(job / "run", {"shops": tables["shops"]})
    whole = pd.read_csv(job / "submission.csv")
    for i in (0, 5, 17):
        made = ready.predict(tables["future"].iloc[[i]])
        assert made.table["row"].tolist() == whole["row"].iloc[[i]].tolist()
        assert made.table["units"].to_numpy() == pytest.approx(whole["units"].iloc[[i]].to_numpy(), rel=1e-4)
    with pytest.raises(DataError, match="missing column 'promo'"):
        ready.predict(tables["future"].drop(columns="promo"))
    with pytest.raises(DataError, match="table shops was not given"):
        tabcli.forecaster(job / "run", {})


def test_rows_can_be_given_though_the_config_names_no_table_of_them(config: dict[str, Any], tmp_path: Path) -> None:
    """Written as the train table is, whatever that is made of."""
    tables = make_tables()
    rows = tables.pop("future")
    tables["train"]["day"] = tables["train"]["day"].dt.strftime("%d.%m.%Y")
    tables["train"] = tables["train"].rename(columns={"units": "sold"})
    del config["tables"]["future"], config["id"]
    config["tables"]["train"] |= {"date_format": "%d.%m.%Y", "rename": {"sold": "units"}}
    fast = ["train.epochs=1", "calibration.windows=0", "validation.last=20d"]
    run = tabcli.train(tabcli.prep(config, tables, overrides=fast))
    written = rows.assign(day=rows["day"].dt.strftime("%d.%m.%Y"))
    written.to_csv(tmp_path / "rows.csv", index=False)
    ready = tabcli.forecaster(run, tables)
    made = ready.predict(rows).table
    assert made["day"].tolist() == rows["day"].tolist()
    assert made["units"].nunique() > 6
    for source in (written, tmp_path / "rows.csv"):
        pd.testing.assert_frame_equal(ready.predict(source).table, made)
        pd.testing.assert_frame_equal(tabcli.predict(run, {**tables, "future": source}).table, made)
    with pytest.raises(ConfigError, match="no table is called future"):
        tabcli.predict(run, tables)


@pytest.mark.parametrize("ending", ["parquet", "feather", "pkl", "tsv"])
def test_other_formats_of_the_tables_give_the_same_forecast(job: Path, tmp_path: Path, ending: str) -> None:
    write = {
        "parquet": pd.DataFrame.to_parquet,
        "feather": pd.DataFrame.to_feather,
        "pkl": pd.DataFrame.to_pickle,
        "tsv": lambda t, path: t.to_csv(path, sep="\t", index=False),
    }[ending]
    options: list[str] = []
    for name, table in make_tables().items():
        write(table, tmp_path / f"{name}.{ending}")
        options += ["-S", f"tables.{name}.file={name}.{ending}"]
    run("prep", "--config", job / "config.yaml", "--data", tmp_path, "--out", tmp_path / "prep", *options)
    for part in ("train", "valid", "future"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "prep" / f"{part}.parquet"), pd.read_parquet(job / "prep" / f"{part}.parquet")
        )


def test_predict_carries_columns_along_and_writes_parquet(job: Path, tmp_path: Path) -> None:
    out = tmp_path / "forecast.parquet"
    run("predict", job / "run", "--data", job / "data", "--out", out, "--columns", "shop,day")
    made = pd.read_parquet(out)
    assert list(made.columns) == ["row", "shop", "day", "units"]
    np.testing.assert_array_equal(made["units"], pd.read_csv(job / "submission.csv")["units"])


def test_predict_ignores_extra_columns_and_the_target(job: Path, tmp_path: Path) -> None:
    tables = make_tables()
    tables["future"] = tables["future"].assign(note="hello", units=-5, visitors="?")
    write_folder(tmp_path / "data", tables)
    run("predict", job / "run", "--data", tmp_path / "data", "--out", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (job / "submission.csv").read_bytes()


def test_unknown_series_are_forecast_counted_and_warned_about(job: Path, tmp_path: Path) -> None:
    tables = make_tables()
    tables["future"]["shop"] = tables["future"]["shop"].replace({6: 66})
    tables["shops"] = pd.concat([tables["shops"], tables["shops"].iloc[[5]].assign(shop=66)])
    write_folder(tmp_path / "data", tables)
    done = run("predict", job / "run", "--data", tmp_path / "data", "--out", tmp_path / "out.csv")
    made = pd.read_csv(tmp_path / "out.csv")
    new = tables["future"]["shop"].to_numpy() == 66
    n_closed = int((new & (tables["future"]["open"] == 0)).sum())  # 0 by rule, whatever the series
    assert n_closed
    assert f"warning: 1 series that training never saw (66): {HORIZON - n_closed} rows" in done.stderr
    assert len(made) == N_SHOPS * HORIZON
    assert (made.loc[new & (tables["future"]["open"] == 1).to_numpy(), "units"] > 0).all()


def test_a_prep_says_what_it_did(job: Path, tmp_path: Path) -> None:
    done = run("prep", "--config", job / "config.yaml", "--data", job / "data", "--out", tmp_path / "prep")
    for text in (
        f"train {N_SHOPS * N_DAYS:,}, future {N_SHOPS * HORIZON}",
        "units = 0 ",
        "2020-12-20 … 2021-07-07",
        "2021-07-08 … 2021-07-27",
        "past only      2: ",
        "filled inputs  open 1",
        "the median by shop × dayDayofweek × promo",
    ):
        assert text in done.stdout, text
    memory = re.search(r"memory +([\d,]+) MB at the peak; the encoded tables have (\d+) MB", done.stdout)
    assert memory is not None
    assert 50 < int(memory[1].replace(",", "")) < 8000
    as_json = json.loads(
        run("prep", "-c", job / "config.yaml", "-d", job / "data", "-o", job / "prep", "--json").stdout
    )
    assert as_json["unchanged"]
    assert as_json["rows"]["future"] == N_SHOPS * HORIZON


def test_sample_through_the_command_line(job: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    run("prep", "-c", job / "config.yaml", "-d", job / "data", "-o", out, "--sample", 400)
    assert pd.read_parquet(out / "train.parquet")["row.shop"].nunique() == 2
    run("prep", "-c", job / "config.yaml", "-d", job / "data", "-o", out, "--sample", 0, code=2)


def test_a_run_directory_holds_what_the_docs_say(job: Path) -> None:
    names = {p.name for p in (job / "run").iterdir()}
    assert names == {
        *("config.json", "contract.json", "state.json", "series.parquet", "events.parquet", "model.json"),
        *("member-0.safetensors", "metrics.jsonl", "metrics.json", "loss.png", "manifest.json"),
        *("tail.parquet", "past.parquet", "groups.parquet", "summary.json", "MODEL_CARD.md", "DATASHEET.md"),
    }
    records = [json.loads(line) for line in (job / "run" / "metrics.jsonl").read_text().splitlines()]
    networks = ("member-0", "window-1-0", "window-2-0", "window-3-0")
    assert [(r["network"], r["epoch"]) for r in records] == [(n, e) for n in networks for e in (1, 2, 3)]
    assert {"train_loss", "valid_loss", "valid_rmse_log", "valid_rmspe", "valid_rmse"} <= set(records[0])
    assert (job / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert not list(job.glob("*.partial"))
    assert not list(job.glob(".*"))


def test_train_prints_the_network_and_plain_lines(job: Path, tmp_path: Path) -> None:
    done = run("train", "--prep", job / "prep", "--out", tmp_path / "run", "-S", "train.epochs=1", *ALONE)
    assert "shop 8×" in done.stderr
    assert "16 → 8 → 1" in done.stderr
    assert "epoch   1  train loss" in done.stderr
    assert "\r" not in done.stderr
    assert "the median by shop × dayDayofweek × promo" in done.stdout


def test_the_precision_is_chosen_by_an_option(job: Path, tmp_path: Path) -> None:
    weights = {}
    for precision in ("float32", "bfloat16"):
        out = tmp_path / precision
        run("train", "-p", job / "prep", "-o", out, "-S", "train.epochs=1", *ALONE, "--precision", precision)
        assert json.loads((out / "config.json").read_text())["train"]["precision"] == precision
        weights[precision] = (out / "member-0.safetensors").read_bytes()
    assert weights["float32"] != weights["bfloat16"]
    run("train", "-p", job / "prep", "-o", tmp_path / "x", "--precision", "half", code=2)


def test_lr_find_suggests_and_plots(job: Path, tmp_path: Path) -> None:
    done = run("lr-find", "--prep", job / "prep", "--out", tmp_path / "lr.png", "--json")
    found = json.loads(done.stdout)
    assert 1e-6 < found["suggestion"] < 1
    assert (tmp_path / "lr.png").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------------------- interruption and resuming


def test_a_killed_training_resumes_to_the_same_bytes(job: Path, tmp_path: Path) -> None:
    """SIGKILL after the first checkpoint; the resumed run's weights and submission equal an undisturbed run's."""
    options = ["--prep", str(job / "prep"), "-S", "train.epochs=15", "-S", "train.batch_size=16", *ALONE]
    command = [sys.executable, "-m", "tabcli", "train", *options, "--out", str(tmp_path / "run")]
    checkpoint = tmp_path / "run.partial" / "member-0.safetensors"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run").exists()

    refused = run("train", *options, "--out", tmp_path / "run", code=2)
    assert "--resume goes on" in refused.stderr
    other = run("train", *options, "-S", "train.lr=0.5", "--out", tmp_path / "run", "--resume", code=2)
    assert "another prep, config, --nproc or version" in other.stderr
    run("train", *options, "--out", tmp_path / "run", "--resume")
    run("train", *options, "--out", tmp_path / "whole")
    weights = [(tmp_path / d / "member-0.safetensors").read_bytes() for d in ("run", "whole")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "run.partial").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_with_their_code_and_nothing_half_written(
    job: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tabcli", "train", "--prep", str(job / "prep"), "--out", str(out)]
    command += ["-S", "train.epochs=5000", "-S", "train.members=2", *ALONE]  # beside each other, in two processes
    # A shell that runs the tests in the background has its children ignore SIGINT.
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(command, preexec_fn=heed, **options) as process:  # noqa: PLW1509
        deadline = time.monotonic() + 60
        while not (tmp_path / "run.partial" / "member-0.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert "stopped by" in stderr
    assert not out.exists()


def test_an_existing_run_is_replaced_only_with_force(job: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run("train", "--prep", job / "prep", "--out", out, "-S", "train.epochs=1", *ALONE)
    first = (out / "manifest.json").read_bytes()
    refused = run("train", "--prep", job / "prep", "--out", out, "-S", "train.epochs=2", *ALONE, code=2)
    assert "exists already" in refused.stderr
    assert (out / "manifest.json").read_bytes() == first
    run("train", "--prep", job / "prep", "--out", out, "-S", "train.epochs=2", *ALONE, "--force")
    assert [r.epoch for r in directories.load_run(out).epochs if r.network == "member-0"] == [1, 2]


# ----------------------------------------------------------------------------------------- wrong inputs


def prep_error(job: Path, tmp_path: Path, code: int, *options: str, **tables: object) -> str:
    """What prep says (on stderr) about a data folder in which some files are replaced."""
    data = tmp_path / "data"
    if not data.exists():
        write_folder(data, make_tables())
    for name, content in tables.items():
        path = data / f"{name}.csv"
        if content is None:
            path.unlink()
        elif isinstance(content, pd.DataFrame):
            content.to_csv(path, index=False)
        else:
            path.write_text(str(content))
    out = tmp_path / "out"
    done = run("prep", "-c", job / "config.yaml", "-d", data, "-o", out, *options, code=code)
    assert not out.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    return done.stderr


def test_a_missing_file(job: Path, tmp_path: Path) -> None:
    error = prep_error(job, tmp_path, 4, shops=None)
    assert f"{tmp_path / 'data' / 'shops.csv'}: no such file" in error
    assert "there are: ahead.csv, past.csv" in error


def test_a_missing_column(job: Path, tmp_path: Path) -> None:
    past = make_tables()["train"].rename(columns={"promo": "promos"})
    error = prep_error(job, tmp_path, 4, past=past)
    assert "past.csv: missing column 'promo'; did you mean 'promos'?" in error


def test_a_column_missing_only_ahead(job: Path, tmp_path: Path) -> None:
    error = prep_error(job, tmp_path, 4, ahead=make_tables()["future"].drop(columns="promo"))
    assert "ahead.csv: missing column 'promo'" in error


def test_a_repeated_row(job: Path, tmp_path: Path) -> None:
    past = make_tables()["train"]
    error = prep_error(job, tmp_path, 4, past=pd.concat([past, past.iloc[[3, 4]]]))
    assert "past.csv: 2 rows repeat the key (shop, day) of another row: shop=4, day=2021-07-27" in error


def test_a_repeated_key_of_a_side_table(job: Path, tmp_path: Path) -> None:
    shops = make_tables()["shops"]
    error = prep_error(job, tmp_path, 4, shops=pd.concat([shops, shops.iloc[[2]]]))
    assert "table shops: 1 rows repeat the key (shop) of another row: shop=3" in error


def test_a_date_that_is_none(job: Path, tmp_path: Path) -> None:
    past = make_tables()["train"].astype({"day": "str"})
    past.loc[41, "day"] = "2021-02-30"
    error = prep_error(job, tmp_path, 4, past=past)
    assert "past.csv: column 'day': 1 of 1320 rows hold no date that can be read: '2021-02-30' in row 42" in error


def test_the_wrong_delimiter(job: Path, tmp_path: Path) -> None:
    text = make_tables()["train"].to_csv(index=False, sep=";")
    error = prep_error(job, tmp_path, 4, "-S", 'tables.train.delimiter=","', past=text)
    assert "it looks like the delimiter is ';'" in error


@pytest.mark.parametrize("content", ["", "shop,day,open,promo,holiday,units,visitors\n"])
def test_an_empty_table(job: Path, tmp_path: Path, content: str) -> None:
    error = prep_error(job, tmp_path, 4, past=content)
    assert "past.csv: the " in error
    assert "empty" in error or "no rows" in error


def test_a_target_with_zeros(job: Path, tmp_path: Path) -> None:
    error = prep_error(job, tmp_path, 4, "-S", "target.drop_where={}")
    assert "past.csv: the target 'units' is zero in 192 of 1320 rows" in error
    assert "drop_where" in error


def test_a_config_typo(job: Path, tmp_path: Path) -> None:
    error = prep_error(job, tmp_path, 3, "-S", "train.epoch=3", "-S", "modle.layers=[3]")
    assert "2 problems" in error
    assert "train.epoch: no such key; did you mean 'epochs'?" in error
    assert "modle: no such key; did you mean 'model'?" in error


def test_a_missing_config(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("x: 1")
    done = run("config", "check", tmp_path / "shp.yaml", code=3)
    assert "no such file" in done.stderr
    assert "shop.yaml" in done.stderr


def test_a_directory_of_something_else(job: Path, tmp_path: Path) -> None:
    data = job / "data"
    for directory, text in (
        (job / "prep", "a prep directory, but a run directory is needed"),
        (data, "not a run directory: it has no manifest.json"),
        (tmp_path / "none", "no such directory"),
    ):
        done = run("predict", directory, "--data", data, "--out", tmp_path / "x.csv", code=5)
        assert text in done.stderr
    done = run("train", "--prep", job / "run", "--out", tmp_path / "r", code=5)
    assert "a run directory, but a prep directory is needed" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_config_that_needs_another_prep(job: Path, tmp_path: Path) -> None:
    done = run("train", "--prep", job / "prep", "--out", tmp_path / "r", "-S", "max_card=3", code=3)
    assert "the prep was made with other values of max_card" in done.stderr


def test_repeated_and_missing_ids(job: Path, tmp_path: Path) -> None:
    tables = make_tables()
    tables["future"].loc[3, "row"] = tables["future"].loc[4, "row"]
    write_folder(tmp_path / "data", tables)
    done = run("predict", job / "run", "--data", tmp_path / "data", "--out", tmp_path / "x.csv", code=4)
    assert "column 'row': 1 ids are missing or repeat another" in done.stderr
    assert not (tmp_path / "x.csv").exists()


def test_wrong_words_on_the_command_line(job: Path, tmp_path: Path) -> None:
    assert "Did you mean 'prep'?" in run("prp", code=2).output
    run("prep", "--config", job / "config.yaml", code=2)
    done = run("predict", job / "run", "--data", job / "data", "--out", tmp_path / "x.xlsx", code=2)
    assert "use .csv, .tsv or .parquet" in done.stderr
    done = run("predict", job / "run", "--data", job / "data", "--out", tmp_path / "x.csv", "--columns", "shp", code=2)
    assert "expected some of row, shop, day, " in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_message_and_code_6(job: Path, tmp_path: Path) -> None:
    """A file-size limit of 1 KiB stands in for a full disk."""
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
        "from tabcli.cli.app import app\n"
        "app(sys.argv[1:])\n"
    )
    words = ["prep", "-c", job / "config.yaml", "-d", job / "data", "-o", tmp_path / "prep"]
    done = subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert "the disk is full" in done.stderr
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tabcli", "--debug", "config", "check", str(tmp_path / "none.yaml")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.returncode == 3
    assert "Traceback" in done.stderr


# --------------------------------------------------------------------------------- evaluate and configs


def test_evaluate_by_hand(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,sales\n1,110\n2,180\n3,5\n4,7\n")
    (tmp_path / "a.csv").write_text("id,region,sales\n2,north,200\n1,south,100\n3,south,0\n")
    made = json.loads(run("evaluate", tmp_path / "p.csv", tmp_path / "a.csv", "--by", "region", "--json").stdout)
    assert made["rmspe"] == pytest.approx(0.1)
    assert made["mape"] == pytest.approx(0.1)
    assert made["wape"] == pytest.approx(35 / 300)
    assert made["bias"] == pytest.approx(-5 / 300)
    assert made["rmse"] == pytest.approx(np.sqrt((100 + 400 + 25) / 3))
    assert (made["rows"], made["zero"], made["on"]) == (3, 1, ["id"])
    assert {row["region"]: row["rows"] for row in made["by"]} == {"north": 1, "south": 2}
    text = run("evaluate", tmp_path / "p.csv", tmp_path / "a.csv").stdout
    assert "RMSPE  10.00 %" in text
    assert "1 rows with an actual value of 0 are left out" in text
    assert "1 predictions have no actual row" in text


def test_evaluate_refuses_rows_without_prediction(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,sales\n1,110\n")
    (tmp_path / "a.csv").write_text("id,sales\n1,100\n9,100\n")
    done = run("evaluate", tmp_path / "p.csv", tmp_path / "a.csv", code=4)
    assert "1 of 2 actual rows have no prediction, such as id=9" in done.stderr


def test_config_show_prints_a_config_that_loads_to_the_same(job: Path, tmp_path: Path) -> None:
    shown = run("config", "show", job / "config.yaml", "-S", "preset=lesson6").stdout
    (tmp_path / "shown.yaml").write_text(shown)
    assert run("config", "show", tmp_path / "shown.yaml").stdout == shown
    assert "batch_norm: true" in shown
    schema = json.loads(run("config", "schema").stdout)
    assert "series" in schema["properties"]


# -------------------------------------------------------------------------------------- single steps


def test_each_step_alone_fits_on_one_table_and_applies_to_another(tmp_path: Path) -> None:
    train, new = tmp_path / "train.csv", tmp_path / "new.csv"
    train.write_text("day,kind,size\n2021-01-01,x,1.0\n2021-01-02,y,3.0\n2021-01-03,x,\n")
    new.write_text("day,kind,size\n2021-12-31,z,\n2021-06-30,,2.0\n")

    run("add-datepart", new, tmp_path / "dates.csv", "--column", "day")
    dates = pd.read_csv(tmp_path / "dates.csv")
    assert list(dates.columns)[2:5] == ["dayYear", "dayMonth", "dayWeek"]
    assert dates["dayWeek"].tolist() == [52, 26]
    assert dates["dayElapsed"].tolist() == [1640908800.0, 1625011200.0]

    run("categorify", train, tmp_path / "c.csv", "--fit", tmp_path / "c.json", "--columns", "kind")
    run("categorify", new, tmp_path / "c2.csv", "--state", tmp_path / "c.json")
    assert pd.read_csv(tmp_path / "c.csv")["kind"].tolist() == [2, 3, 2]
    assert pd.read_csv(tmp_path / "c2.csv")["kind"].tolist() == [1, 0]

    run("fill-missing", train, tmp_path / "f.csv", "--fit", tmp_path / "f.json")
    done = run("fill-missing", new, tmp_path / "f2.csv", "--state", tmp_path / "f.json")
    filled = pd.read_csv(tmp_path / "f2.csv")
    assert filled["size"].tolist() == [2.0, 2.0]
    assert filled["size_na"].tolist() == [True, False]
    assert "size: 1 filled" in done.stderr

    run("normalize", tmp_path / "f.csv", tmp_path / "n.csv", "--fit", tmp_path / "n.json", "--columns", "size")
    run("normalize", tmp_path / "f2.csv", tmp_path / "n2.csv", "--state", tmp_path / "n.json")
    values = np.array([1.0, 3.0, 2.0])
    np.testing.assert_allclose(pd.read_csv(tmp_path / "n.csv")["size"], (values - 2) / values.std(), rtol=1e-6)
    assert pd.read_csv(tmp_path / "n2.csv")["size"].tolist() == [0.0, 0.0]

    assert "either --fit" in run("normalize", train, tmp_path / "x.csv", code=2).stderr
    done = run("normalize", train, tmp_path / "x.csv", "--state", tmp_path / "c.json", code=5)
    assert "the state of categorify, not of normalize" in done.stderr


def test_force_never_removes_what_tabcli_did_not_write(job: Path, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", make_tables())
    for words in (
        ("prep", "-c", job / "config.yaml", "-d", job / "data", "-o", data, "--force"),
        ("train", "-p", job / "prep", "-o", data, "--force"),
        ("synth", data, "--force"),
    ):
        assert "was not written by tabcli" in run(*words, code=2).stderr
    assert sorted(p.name for p in data.iterdir()) == ["ahead.csv", "past.csv", "shops.csv"]


def test_a_choice_that_there_is_not_is_said_in_words_of_the_command_line(tmp_path: Path) -> None:
    done = run("train", "--prep", tmp_path, "--out", tmp_path / "run", "--on", "spark", code=2)
    assert "Invalid value for '--on': 'spark' is not one of 'here', 'processes', 'ray'." in done.stderr
