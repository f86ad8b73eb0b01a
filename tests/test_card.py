"""The model card and the datasheet of a run: valid, the same bytes each time, true, blank where a person must speak."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tabcli
from tabcli.api.card import DATASHEET, MODEL_CARD, CardResult
from tabcli.bundle.directories import load_run
from tabcli.cards.made import FORMER
from tabcli.cards.markdown import BLANK, drawn_windows
from tabcli.cards.segments import past_rows
from tabcli.cli.app import app
from tabcli.config.card import QUESTIONS, blanks_of, questions_yaml, read_answers
from tabcli.config.yaml12 import block_yaml, parse_yaml
from tabcli.errors import BundleError, ConfigError, UsageError
from tests.conftest import CONFIG, make_tables

FEW = ("train.epochs=1", "calibration.windows=1", "calibration.metric=none")
RUNNER = CliRunner()


def write_config(folder: Path, **changes: Any) -> Path:
    """CONFIG as a file in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "shops.yaml"
    path.write_text(block_yaml({**CONFIG, **changes}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, a prep of it and a run."""
    folder = tmp_path_factory.mktemp("card")
    tables = make_tables()
    tables["shops"]["area"] = ["<b>north</b>|", "<b>north</b>|", "south", "south", "south", "<b>north</b>|"]
    tables["shops"]["area_no"] = [7, 7, 2, 2, 2, 7]
    config = write_config(folder)
    tabcli.train(tabcli.prep(config, tables, folder / "prep"), folder / "run", overrides=FEW)
    return folder


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(folder / "run", tmp_path / "run"))


def head_of(text: str) -> dict[str, Any]:
    """The YAML at the head of a card."""
    found = re.match(r"---\n(.*?)\n---\n", text, flags=re.DOTALL)
    assert found
    return dict(parse_yaml(found[1], source="the card"))


def written(folder: Path) -> CardResult:
    return tabcli.card(folder / "run", write=False)


# ------------------------------------------------------------------------------------- what train writes


def test_train_writes_both_cards(folder: Path) -> None:
    made = written(folder)
    assert (folder / "run" / MODEL_CARD).read_text("utf-8") == made.model_card
    assert (folder / "run" / DATASHEET).read_text("utf-8") == made.datasheet
    assert "card" in repr(made).lower()


def test_the_cards_are_no_part_of_what_is_verified(own: Path) -> None:
    (own / MODEL_CARD).write_text("a person wrote this", encoding="utf-8")
    load_run(own)
    tabcli.card(own)
    assert (own / MODEL_CARD).read_text("utf-8").startswith("---\nlibrary_name: tabcli\n")


def test_a_second_training_gives_the_same_bytes_but_for_the_time(folder: Path, tmp_path: Path) -> None:
    tabcli.train(folder / "prep", tmp_path / "run", overrides=FEW)
    for name in (MODEL_CARD, DATASHEET):
        first, second = ((f / "run" / name).read_text("utf-8").splitlines() for f in (folder, tmp_path))
        other = [line for line, again in zip(first, second, strict=True) if line != again]
        assert all(line.startswith("| time of training") for line in other), other


def test_force_replaces_a_run_with_its_cards_and_refuses_foreign_files(folder: Path, own: Path) -> None:
    (own / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        tabcli.train(folder / "prep", own, overrides=[*FEW, "seed=8"], force=True)
    (own / "notes.txt").unlink()
    tabcli.train(folder / "prep", own, overrides=[*FEW, "seed=8"], force=True)
    text = (own / MODEL_CARD).read_text("utf-8")
    assert "Config: `seed` is 8, before 7." in text
    assert (own / FORMER).exists()
    assert "Config: `seed` is 8, before 7." in tabcli.card(own).model_card


def test_the_same_run_made_again_has_no_former_run(folder: Path, own: Path) -> None:
    tabcli.train(folder / "prep", own, overrides=FEW, force=True)
    assert not (own / FORMER).exists()


def test_since_compares_with_an_older_run_and_keeps_it(folder: Path, own: Path, tmp_path: Path) -> None:
    tabcli.train(folder / "prep", tmp_path / "old", overrides=[*FEW, "train.epochs=2"])
    assert "`train.epochs` is 1, before 2." in tabcli.card(own, since=tmp_path / "old").model_card
    assert "`train.epochs` is 1, before 2." in tabcli.card(own).model_card
    (own / FORMER).write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match=r"former\.json"):
        tabcli.card(own)


# ----------------------------------------------------------------------------------------- what it says


def test_the_heads_say_what_was_measured(folder: Path) -> None:
    made, run = written(folder), load_run(folder / "run")
    head = head_of(made.model_card)
    assert head["library_name"] == "tabcli"
    assert head["metrics"] == ["rmspe", "wape"]
    result = head["model-index"][0]["results"][0]
    assert result["metrics"][0]["value"] == pytest.approx(run.metrics.score, abs=1e-6)
    assert head_of(made.datasheet)["size_categories"] == ["1K<n<10K"]


def test_the_hub_reads_both_cards(folder: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(folder / "run" / MODEL_CARD)
    assert card.data.model_name == "Forecast of units by shop"
    assert [r.metric_type for r in card.data.eval_results] == ["rmspe", "wape"]
    assert "## Limits" in card.text
    assert hub.DatasetCard.load(folder / "run" / DATASHEET).data.pretty_name == "units by shop"


def test_the_numbers_are_those_of_the_past_rows(folder: Path) -> None:
    past, made = past_rows(load_run(folder / "run")), written(folder)
    mondays = past[past["date"].dt.day_of_week == 0]
    off = (mondays["actual"] - mondays["forecast"]).abs().sum() / mondays["actual"].sum()
    assert f"| Monday | {len(mondays)} | {100 * off:.1f} % |" in made.model_card.replace("**", "")
    whole = (past["actual"] - past["forecast"]).abs().sum() / past["actual"].sum()
    assert f"forecasts were off by {100 * whole:.1f} % of what happened" in made.model_card


def test_a_weak_segment_is_named_and_is_a_limit(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fridays whose forecasts are twice what happened."""

    def worse(run: Any) -> pd.DataFrame:
        past = past_rows(run)
        friday = past["date"].dt.day_of_week == 4
        return past.assign(forecast=past["forecast"].where(~friday, 3 * past["actual"]))

    monkeypatch.setattr("tabcli.cards.known.past_rows", worse)
    text = tabcli.card(own, write=False).model_card
    assert re.search(r"Named: \*\*Fridays\*\* \(200\.0 %\)", text)
    assert "- Weak, with 1.5 times the error of all past rows or more: Fridays (200.0 %)." in text
    assert "| **Friday** |" in text


def test_what_intervals_did_not_hold_is_a_limit(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow(run: Any) -> pd.DataFrame:
        past = past_rows(run)
        return past.assign(held=np.where(past["date"].dt.day_of_week == 1, 0.5, 0.8))

    monkeypatch.setattr("tabcli.cards.known.past_rows", narrow)
    text = tabcli.card(own, write=False).model_card
    assert "- Intervals of 80 % held less than 70 % here: Tuesdays (50 %)." in text


def test_limits_are_found_without_help(folder: Path) -> None:
    text = written(folder).model_card
    assert "No row to learn from lies in Aug, Sep, Oct, Nov." in text
    assert "No row to learn from lies on Sundays." in text
    assert "no season of the year was seen twice" in text


def test_events_of_fewer_than_three_occasions_are_a_limit(tmp_path: Path) -> None:
    tables = make_tables()
    tables["train"]["holiday"] = np.where(tables["train"]["day"] == "2021-03-01", "a", "0")
    prep = tabcli.prep(CONFIG, tables)
    tabcli.train(prep, tmp_path / "run", overrides=[*FEW, "calibration.windows=0"])
    text = tabcli.card(tmp_path / "run").model_card
    assert "Seen on fewer than 3 occasions, so that what they do is hardly known: holiday = a (1)." in text
    assert "There is one past window only" in text


def test_the_datasheet_says_what_was_left_out_and_why(folder: Path) -> None:
    text, summary = written(folder).datasheet, load_run(folder / "run").summary
    assert summary is not None
    assert f"- {summary.counts.dropped['units = 0']:,} rows with units = 0." in text
    assert "| `visitors` | int | 0 |" in text
    assert "| past only |" in text
    assert "| holiday = a | " in text


def test_names_from_tables_are_text_not_markup(folder: Path) -> None:
    made = written(folder)
    assert "<b>" not in made.model_card + made.datasheet
    assert r"area (area\_no): &lt;b&gt;north&lt;/b&gt;\|" in made.model_card


def test_sensitive_groups_are_in_the_card(folder: Path) -> None:
    made = written(folder)
    assert made.bias is not None
    assert made.bias.columns == ("kind", "area")
    assert r"| area (area\_no): south | 3 |" in made.model_card
    assert "`area` (`area_no`)" in made.model_card, "it groups the shops alike: listed once, and named"
    assert made.model_card.count("south") == 1


def test_past_windows_are_drawn_where_they_lie() -> None:
    day = pd.Timestamp("2020-01-01")
    spans = [(day + pd.Timedelta(80, unit="D"), day + pd.Timedelta(100, unit="D")), (day, day)]
    lines = drawn_windows(day, day + pd.Timedelta(100, unit="D"), spans, pd.Timedelta(12, unit="D"))
    assert lines[1] == "2020-01-01" + " " * 36 + "2020-04-22"
    assert lines[2].startswith("█" * 40 + "▒" * 10 + " ")
    assert lines[3].startswith("▒ ")
    assert lines[4].startswith("█" * 50 + "░" * 6 + "  the forecast: after 2020-04-10")


# --------------------------------------------------------------------------------------------- answers


def test_what_only_a_person_knows_is_a_marked_blank(folder: Path) -> None:
    made = written(folder)
    assert set(made.blanks) == set(QUESTIONS)
    for key, question in QUESTIONS.items():
        if key not in ("name", "licence"):
            text = made.datasheet if key.startswith("data_") else made.model_card
            assert f"{BLANK} {question} (`{key}`)" in text


def test_answers_beside_the_config_are_kept_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(Path("configs"))
    answers = Path("configs/card.yaml")
    answers.write_text("owner: The planners\nnot_for:\n- rotas\n- bonuses\n", encoding="utf-8")
    tabcli.prep("configs/shops.yaml", make_tables(), "prep")
    tabcli.train("prep", "run", overrides=[*FEW, "calibration.windows=0"])
    made = tabcli.card("run")
    assert made.answers == answers
    assert "Answers for it: The planners" in made.model_card
    assert "- rotas\n- bonuses" in made.model_card
    assert "owner" not in made.blanks
    answers.write_text(questions_yaml(made.given).replace("contact:", "contact: planning@example.org"), "utf-8")
    assert "Reached at: planning@example.org" in tabcli.card("run").model_card
    assert "Reached at: planning@example.org" in Path("run", MODEL_CARD).read_text("utf-8")
    assert "- rotas\n- bonuses" in Path("run", MODEL_CARD).read_text("utf-8")


def test_a_run_that_was_moved_keeps_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(Path())
    Path("card.yaml").write_text("owner: |\n  The planners\n  of the north\n", encoding="utf-8")
    tabcli.prep("shops.yaml", make_tables(), "prep")
    tabcli.train("prep", "run", overrides=[*FEW, "calibration.windows=0"])
    before = Path("run", MODEL_CARD).read_bytes()
    moved = Path(shutil.move("run", tmp_path / "elsewhere"))
    Path("card.yaml").unlink()
    made = tabcli.card(moved)
    assert "The planners\nof the north" in made.model_card
    assert (moved / MODEL_CARD).read_bytes() == before


def test_answers_that_are_named_must_be_there(own: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        tabcli.card(own, answers="nowhere.yaml")


def test_the_config_may_name_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(Path(), card={"answers": "people.yaml"})
    Path("people.yaml").write_text("name: Shops\n", encoding="utf-8")
    tabcli.prep("shops.yaml", make_tables(), "prep")
    tabcli.train("prep", "run", overrides=[*FEW, "calibration.windows=0"])
    assert "\n# Shops\n" in Path("run", MODEL_CARD).read_text("utf-8")


def test_wrong_answers_are_refused_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "card.yaml").write_text("ownr: me\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"ownr: no such question; did you mean 'owner'"):
        tabcli.train(folder / "prep", tmp_path / "run", config=config, overrides=FEW)
    assert not (tmp_path / "run.partial").exists()


@pytest.mark.parametrize(
    ("text", "said"), [("owner: 7", "a text or a list of texts"), ("- a", "questions and answers")]
)
def test_answers_are_texts(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "card.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_answers(tmp_path / "card.yaml")


def test_the_questions_are_yaml_without_answers(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(questions_yaml(read_answers(None)), encoding="utf-8")
    assert set(blanks_of(read_answers(path))) == set(QUESTIONS)


# ----------------------------------------------------------------------------------- the command line


def test_the_command_prints_and_writes_the_card(own: Path) -> None:
    (own / MODEL_CARD).unlink()
    done = RUNNER.invoke(app, ["card", str(own)])
    assert done.exit_code == 0
    assert done.stdout == (own / MODEL_CARD).read_text("utf-8")
    assert RUNNER.invoke(app, ["card", str(own), "--datasheet"]).stdout == (own / DATASHEET).read_text("utf-8")


def test_check_lists_blanks_and_writes_nothing_and_strict_fails(own: Path, tmp_path: Path) -> None:
    (own / MODEL_CARD).unlink()
    done = RUNNER.invoke(app, ["card", str(own), "--check"])
    assert done.exit_code == 0
    assert f"{len(QUESTIONS)} without an answer" in done.stdout
    assert all(question in done.stdout for question in QUESTIONS.values())
    strict = RUNNER.invoke(app, ["card", str(own), "--strict"])
    assert strict.exit_code == 3
    assert "questions have no answer" in strict.stderr
    assert not (own / MODEL_CARD).exists()
    answers = tmp_path / "all.yaml"
    answers.write_text("".join(f"{key}: said\n" for key in QUESTIONS), encoding="utf-8")
    full = RUNNER.invoke(app, ["card", str(own), "--strict", "--answers", str(answers)])
    assert full.exit_code == 0
    assert "all questions are answered" in full.stdout
    assert BLANK not in tabcli.card(own, answers=answers).model_card


def test_questions_go_to_a_new_file_only(own: Path, tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    assert RUNNER.invoke(app, ["card", str(own), "--questions", str(path)]).exit_code == 0
    assert path.read_text("utf-8").count("\n# ") == len(QUESTIONS)
    again = RUNNER.invoke(app, ["card", str(own), "--questions", str(path)])
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_json_has_the_blanks_and_the_groups(own: Path) -> None:
    done = RUNNER.invoke(app, ["card", str(own), "--json"])
    found = json.loads(done.stdout)
    assert set(found["blanks"]) == set(QUESTIONS)
    assert {g["column"] for g in found["groups"]} == {"kind", "area"}
    assert found["alike"] == {"area": ["area_no"]}


def test_a_run_without_what_older_versions_did_not_keep_has_a_card(own: Path, tmp_path: Path) -> None:
    """A run as written before: no summary, no groups; with the tables its groups are found."""
    manifest = json.loads((own / "manifest.json").read_text("utf-8"))
    for name in ("summary.json", "groups.parquet"):
        (own / name).unlink()
        del manifest["files"][name]
    (own / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    old = tabcli.card(own)
    assert "Not looked at: no column groups the series" in old.model_card
    assert "made by an older version" in old.datasheet
    found = tabcli.card(own, data=make_tables()).bias
    assert found is not None
    assert found.columns == ("kind",)


def test_what_is_missing_is_one_message(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["card", str(tmp_path / "nowhere")])
    assert done.exit_code == 5
    assert "no such directory" in done.stderr
