"""Whether overrides helped: by hand, by simulation, through the command line, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabcli
from tabcli.cli.app import app
from tabcli.errors import DataError
from tabcli.evaluation.value_added import value_added


def evaluate(*options: object, fails: int = 0) -> str:
    done = CliRunner().invoke(app, ["evaluate", *map(str, options)])
    assert done.exit_code == fails, done.output + done.stderr
    return done.stdout if not fails else done.stderr


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Three numbers of two people, one confirmed, one of a day to come; the model was 10 below each time."""
    (tmp_path / "f.csv").write_text("id,sales\n1,100\n2,95\n3,40\n4,50\n5,7\n")
    (tmp_path / "a.csv").write_text("id,sales\n1,100\n2,100\n3,50\n4,50\n")
    (tmp_path / "f.overrides.csv").write_text(
        "id,day,sales,sales_model,who,why\n"
        "1,2021-07-01,100,90,Ana,fair\n2,2021-07-02,95,90,Ana,works\n3,2021-07-02,40,49,Ben,fair\n"
        "4,2021-07-03,50,50,Ben,\n5,2021-07-09,7,9,Ana,fair\n"
    )
    return tmp_path


def test_by_hand(written: Path) -> None:
    files = (written / "f.csv", written / "a.csv", "--overrides", written / "f.overrides.csv")
    found = json.loads(evaluate(*files, "--json"))["overrides"]
    assert (found["same"], found["without_actual"]) == (1, 1)
    rows = {(r["by"], r["value"]): r for r in found["changed"]}
    assert list(rows) == [("all", ""), ("who", "Ana"), ("who", "Ben"), ("why", "fair"), ("why", "works")]
    every = rows["all", ""]
    assert (every["rows"], every["dates"]) == (3, 2)
    assert every["wape_model"] == pytest.approx(21 / 250)
    assert every["wape_person"] == pytest.approx(15 / 250)
    assert every["added"] == pytest.approx(6 / 250)
    assert every["saved"] == pytest.approx(6)
    assert every["better"] == pytest.approx(2 / 3)
    assert rows["who", "Ana"]["added"] == pytest.approx(15 / 200)
    assert rows["who", "Ben"]["added"] == pytest.approx(-9 / 50)
    assert rows["who", "Ben"]["low"] is None  # a single date says nothing of how sure it is
    assert rows["who", "Ben"]["verdict"] == "unclear"
    text = evaluate(*files)
    assert "overrides: 3 rows changed (1 as the model had them, 1 without an actual row yet)" in text
    assert "+2.4 pp" in text
    assert "whether the person's numbers helped is not sure" in text


def test_a_forecast_with_both_numbers_needs_no_other_table(written: Path) -> None:
    (written / "both.csv").write_text("id,sales_model,sales\n1,90,100\n2,90,95\n3,49,40\n4,50,50\n5,9,7\n")
    told = json.loads(evaluate(written / "both.csv", written / "a.csv", "--json"))["overrides"]["changed"]
    assert told[0]["added"] == pytest.approx(6 / 250)
    assert "overrides" not in json.loads(evaluate(written / "f.csv", written / "a.csv", "--json"))


def test_the_models_forecast_and_the_persons_own_table_do_as_well(written: Path) -> None:
    (written / "model.csv").write_text("id,sales\n1,90\n2,90\n3,49\n4,50\n5,9\n")
    own = pd.read_csv(written / "f.overrides.csv").drop(columns="sales_model")
    made = tabcli.evaluate(written / "model.csv", written / "a.csv", overrides=own).overrides
    assert made is not None
    assert made.table["added"][0] == pytest.approx(6 / 250)
    with pytest.raises(DataError, match="none of the 5 overrides differs") as error:
        tabcli.evaluate(written / "f.csv", written / "a.csv", overrides=own)
    assert "which has 'sales_model'" in str(error.value.hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shop,sales\n1,5\n", "share no key: none of id is in the overrides"),
        ("id,sales\n1,5\n1,6\n", "1 rows repeat the key"),
        ("id,sale\n1,5\n", "missing column 'sales'"),
        ("id,sales\n1,many\n", "column 'sales' holds no numbers"),
        ("id,sales\n77,5\n", "1 of 1 overrides have no number of the model"),
    ],
)
def test_overrides_that_cannot_be_judged_are_refused(written: Path, text: str, message: str) -> None:
    (written / "o.csv").write_text(text)
    assert message in evaluate(written / "f.csv", written / "a.csv", "--overrides", written / "o.csv", fails=4)


def simulated(rng: np.random.Generator, skill: float) -> Any:
    """60 overrides on 15 dates, whose rows err together; a person without skill errs as the model does."""
    date = np.repeat(pd.date_range("2021-07-01", periods=15), 4)
    keys = pd.DataFrame({"id": range(60), "day": date})
    actual = rng.uniform(80, 120, 60)
    common = np.repeat(rng.normal(0, 10, (15, 2)), 4, axis=0)
    errors = common + rng.normal(0, 8, (60, 2))
    overrides = keys.assign(y=actual + (1 - skill) * errors[:, 0], y_model=actual + errors[:, 1])
    truth = keys[["id"]].assign(y=actual)
    return value_added(overrides, overrides, truth, "y", ["id"]).table.iloc[0]


def test_a_person_without_skill_is_rarely_said_to_help_or_hurt_and_one_with_skill_is_found() -> None:
    rng = np.random.default_rng(0)
    found = [simulated(rng, 0.0)["verdict"] for _ in range(300)]
    assert 0.01 < np.mean([v != "unclear" for v in found]) < 0.09  # 5 % by promise
    assert np.mean([simulated(rng, 0.6)["verdict"] == "helped" for _ in range(50)]) > 0.9
    assert np.mean([simulated(rng, -1.0)["verdict"] == "hurt" for _ in range(50)]) > 0.9
