"""`tabcli embeddings` on runs of a few epochs: tables, neighbours, the page, and what it refuses."""

import base64
import copy
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner, Result

import tabcli
from tabcli.api import embeddings
from tabcli.bundle.directories import load_run
from tabcli.cli.app import app
from tabcli.maps.known import known_of
from tabcli.maps.patterns import followed
from tabcli.maps.spaces import Space, learned_of, series_names, series_space, unit
from tabcli.training.network import ModelSpec, TabularMLP
from tests.conftest import CONFIG, N_SHOPS, make_tables, write_folder

NASTY = "<script>alert(\"1\")</script> & 'x' $y$"
FAST = ("train.epochs=1", "calibration.windows=0")


def command(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["embeddings", *map(str, words)], prog_name="tabcli")
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def named_tables() -> dict[str, pd.DataFrame]:
    """Shops with names, one of them nasty."""
    tables = make_tables()
    names = {k: NASTY if k == 1 else f"shop {k}" for k in range(1, N_SHOPS + 1)}
    return {name: t.assign(shop=t["shop"].map(names)) for name, t in tables.items()}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return named_tables()


@pytest.fixture(scope="module")
def folder(tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data"), tables)


@pytest.fixture(scope="module")
def run(tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three networks; one of them without the shop's kind."""
    out = tmp_path_factory.mktemp("embeddings") / "run"
    config = {**copy.deepcopy(CONFIG), "variants": [{}, {"model": {"without": ["kind"]}}]}
    tabcli.train(tabcli.prep(config, tables), out, overrides=[*FAST, "train.members=3"])
    return out


@pytest.fixture(scope="module")
def written(run: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "maps"
    command(run, "--data", folder, "--out", out)
    return out


# -------------------------------------------------------------------------------------------- tables


def test_each_column_is_a_table_of_the_networks_own_weights(run: Path, written: Path) -> None:
    loaded = load_run(run)
    columns = json.loads((written / "embeddings.json").read_text())["columns"]
    assert set(columns) == set(loaded.networks[0]["embeddings"]) | set(loaded.networks[1]["embeddings"])
    seen = 0
    for member, (weights, network) in enumerate(zip(loaded.members, loaded.networks, strict=True)):
        spec = ModelSpec.from_dict(network)
        model = TabularMLP(spec)
        model.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
        assert model.embeddings is not None
        for column, theirs in zip(spec.embeddings, model.embeddings.split(model.embeddings.weights), strict=True):
            table = pd.read_parquet(written / f"{columns[column]}.parquet")
            own = table[table["member"] == member]
            numbers = own.filter(regex=r"^e\d+$").to_numpy()
            assert (numbers == theirs.detach().numpy()).all()
            assert own["code"].tolist() == list(range(len(theirs)))
            assert own["name"].tolist()[:2] == ["(missing)", "(unknown)"]
            assert own["level"].isna().tolist() == [True, True] + [False] * (len(theirs) - 2)
            seen += 1
    assert seen == 3 * len(columns) - 1  # one network has no kind
    shop = pd.read_parquet(written / f"{columns['shop']}.parquet")
    assert NASTY in shop["level"].dropna().tolist()
    assert "head0" in shop.columns
    assert set(pd.read_parquet(written / f"{columns['kind']}.parquet")["member"]) == {0, 2}
    assert pd.read_parquet(written / f"{columns['dayDayofweek']}.parquet")["level"].dtype == "Int64"


@pytest.mark.parametrize("kind", ["mlp", "residual", "tabm"])
def test_distances_are_those_of_what_the_first_layer_gets(tables: dict[str, pd.DataFrame], kind: str) -> None:
    model = {"layers": [16, 8], "kind": kind, "series_head": False, **({"heads": 3} if kind == "tabm" else {})}
    config = {**copy.deepcopy(CONFIG), "model": model}
    run = tabcli.train(tabcli.prep(config, tables), overrides=FAST).run
    spec = ModelSpec.from_dict(run.networks[0])
    network = TabularMLP(spec).eval()
    network.load_state_dict({k: torch.as_tensor(v) for k, v in run.members[0].items()})
    kept: list[torch.Tensor] = []
    linear = next(m for m in network.modules() if isinstance(m, torch.nn.Linear))
    linear.register_forward_hook(lambda module, given, out: kept.append(out.detach()))
    at = list(spec.embeddings).index("shop")
    x_cat = torch.zeros((N_SHOPS, len(spec.embeddings)), dtype=torch.int32)
    x_cat[:, at] = torch.arange(2, 2 + N_SHOPS)
    network(x_cat, torch.zeros((N_SHOPS, spec.n_continuous + spec.n_history)))
    seen = kept[0].reshape(N_SHOPS, -1).double()
    theirs = torch.cdist(seen, seen).numpy()
    vectors = next(of for of in learned_of(run) if of.column == "shop").space().vectors[0]
    own = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(-1))
    upper = np.triu_indices(N_SHOPS, 1)
    ratio = own[upper] / theirs[upper]
    assert ratio.std() / ratio.mean() < 1e-3  # the same up to one scale


def test_series_of_two_keys_are_the_keys_side_by_side(tables: dict[str, pd.DataFrame]) -> None:
    train = tables["train"].assign(ware=np.where(tables["train"]["day"].dt.day_of_year % 2 == 0, "a,b", "c"))
    config = copy.deepcopy(CONFIG)
    del config["tables"]["future"], config["id"]
    config |= {"series": ["shop", "ware"], "validation": {"last": "20d"}, "features": {"date_parts": ["day"]}}
    config |= {"categorical": ["shop", "ware", "dayDayofweek"], "continuous": ["size"], "frequency": "1d"}
    config["forecast"] = {"floor": "off"}
    given = {"train": train, "shops": tables["shops"]}
    run = tabcli.train(tabcli.prep(config, given), overrides=[*FAST, "train.members=2"])
    found = series_space(run.run, learned_of(run.run))
    assert found is not None
    space, places = found
    assert len(space.names) == 2 * N_SHOPS == len(places)
    result = tabcli.embeddings(run, near=['shop 2,"a,b"'], neighbours=3)
    assert len(result.near['shop 2,"a,b"']) == 3
    assert result.agreements[0].column == "shop × ware"
    with pytest.raises(tabcli.UsageError, match="knows no such level of shop × ware"):
        tabcli.embeddings(run, near=["shop 2"])


# --------------------------------------------------------------------------------- what is known of series


def test_the_level_of_a_series_is_the_mean_log_of_its_target(run: Path, tables: dict[str, pd.DataFrame]) -> None:
    loaded = load_run(run)
    known = known_of(loaded, tables)
    sold = tables["train"][tables["train"]["units"] > 0]
    theirs = np.log(sold["units"].astype("float64")).groupby(sold["shop"]).mean()
    series = loaded.fitted.calendar.series["shop"]
    assert known.level == pytest.approx(theirs.reindex(series).to_numpy())
    kinds = tables["shops"].set_index("shop")["kind"].reindex(series)
    assert known.columns["kind"].astype("str").fillna("–").tolist() == kinds.fillna("–").tolist()
    alone = known_of(loaded, None)
    assert (alone.source, alone.columns.shape[1]) == ("past windows", 0)  # the validation rows


def test_a_run_with_past_windows_knows_the_level_without_tables(tables: dict[str, pd.DataFrame]) -> None:
    run = tabcli.train(tabcli.prep(CONFIG, tables), overrides=["train.epochs=1", "calibration.windows=1"]).run
    known = known_of(run, None)
    assert known.source == "past windows"
    assert np.corrcoef(known.level, known_of(run, tables).level)[0, 1] > 0.99


def test_the_usual_week_of_a_shop_is_its_mean_by_weekday(run: Path, tables: dict[str, pd.DataFrame]) -> None:
    known = known_of(load_run(run), tables)
    assert known.sums is not None
    assert known.counts is not None
    sold = tables["train"][tables["train"]["units"] > 0]
    y = np.log(sold["units"].astype("float64"))
    y -= y.groupby(sold["shop"]).transform("mean")
    of_days = pd.DataFrame({"shop": sold["shop"], "weekday": sold["day"].dt.day_of_week, "y": y})
    theirs = of_days.pivot_table(index="shop", columns="weekday", values="y")
    series = load_run(run).fitted.calendar.series["shop"]
    assert (known.sums / known.counts) == pytest.approx(theirs.loc[series].to_numpy())


def test_a_planted_week_is_found_in_the_space_and_noise_is_not(run: Path, tables: dict[str, pd.DataFrame]) -> None:
    loaded = load_run(run)
    known = known_of(loaded, tables)
    rng = np.random.default_rng(0)
    weeks = rng.normal(size=(N_SHOPS, 6))
    planted = replace(known, sums=weeks, counts=np.ones((N_SHOPS, 6)))
    names = tuple(series_names(loaded.fitted.calendar.series))
    standard = (weeks - weeks.mean(0)) / weeks.std(0)
    places = np.arange(N_SHOPS)
    found = list(followed(loaded, {}, (Space("shop", names, (unit(standard),)), places), planted, 0))
    assert [(f.column, f.of, f.levels) for f in found] == [("shop", "usual units by weekday", N_SHOPS)]
    assert found[0].rho == pytest.approx(1)
    assert found[0].p < 0.01
    noise = Space("shop", names, (unit(rng.normal(size=(N_SHOPS, 4))),))
    assert next(followed(loaded, {}, (noise, places), planted, 0)).p > 0.05
    assert list(followed(loaded, {}, (noise, places), known_of(loaded, None), 0)) == []


# ------------------------------------------------------------------------------------ the command line


def test_it_prints_how_far_networks_agree(run: Path) -> None:
    done = command(run)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Maps of ")
    shop = next(line for line in lines if line.strip().startswith("shop "))
    assert re.search(r" 6 +\d+ % of 1 +20 % +\d+ % +\d+ % +(un|partly )?stable$", shop)


def test_one_network_is_said_to_be_beyond_judgement(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    tabcli.train(tabcli.prep(CONFIG, tables), tmp_path / "run", overrides=FAST)
    done = command(tmp_path / "run")
    assert "With one network nobody can say whether a map is more than chance." in done.stdout
    assert "one network: cannot be judged" in done.stdout


def test_the_nearest_of_several_series_and_of_a_level(run: Path) -> None:
    done = command(run, "--near", "shop 2", "--near", NASTY, "--near", "dayDayofweek=3", "-n", 2, "--json")
    near = json.loads(done.stdout)["near"]
    assert list(near) == ["shop 2", NASTY, "dayDayofweek=3"]
    assert all(len(found) == 2 for found in near.values())
    space = series_space(load_run(run), learned_of(load_run(run)))
    assert space is not None
    vectors = space[0].together()
    own = space[0].names.index("shop 2")
    apart = np.sqrt(((vectors - vectors[own]) ** 2).sum(1))
    order = [i for i in np.argsort(apart) if i != own][:2]
    assert [n["name"] for n in near["shop 2"]] == [space[0].names[i] for i in order]
    assert [n["distance"] for n in near["shop 2"]] == pytest.approx(apart[order])
    assert "near in networks" in command(run, "--near", "shop 2").stdout


def test_places_beside_and_labels(run: Path, tmp_path: Path) -> None:
    places = pd.DataFrame({"shop": [NASTY, *(f"shop {i}" for i in range(2, 6)), "elsewhere"], "lat": range(6)})
    places.assign(lon=0.0).to_csv(tmp_path / "places.csv", index=False)
    labels = pd.DataFrame({"shop": [NASTY, "shop 2", "shop 5", "shop 6"], "label": ["small", "small", "big", "big"]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    done = command(run, "--beside", tmp_path / "places.csv", "--label", tmp_path / "labels.csv", "--json")
    found = json.loads(done.stdout)
    assert found["beside"][0]["levels"] == 5
    assert found["beside"][0]["lost"] == ["elsewhere"]
    assert found["beside"][0]["without"] == ["shop 6"]
    assert {s["series"] for s in found["labels"]["similar"]} == {"shop 3", "shop 4"}
    assert found["labels"]["separation"]["judged"] == 4
    words = command(run, "--beside", tmp_path / "places.csv", "--label", tmp_path / "labels.csv").stdout
    assert "5 levels of shop: what is near in the networks and in great circles" in words
    assert re.search(r"shop +5 +great circles between lat and lon +-?\d\.\d\d ", words)
    assert "Each set aside in turn" in words


def test_planted_groups_of_shops_are_recovered_from_three_labels_each() -> None:
    """Twenty shops, half of which sell most before the weekend and half on it; nothing else tells them apart."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2021-01-01", periods=150, unit="us")
    rows = pd.MultiIndex.from_product([range(20), days], names=["shop", "day"]).to_frame(index=False)
    like_week = (rows["shop"] % 2 == 1) == (rows["day"].dt.day_of_week >= 4)
    level = 50 * np.exp(rng.normal(0, 0.1, 20))[rows["shop"]]
    rows["units"] = np.round(level * np.exp(np.where(like_week, 0.4, -0.4) + rng.normal(0, 0.05, len(rows))), 2)
    config = {
        **{k: CONFIG[k] for k in ("format_version", "model", "seed", "date", "series")},
        "tables": {"train": {"file": "t.csv"}},
        "target": {"column": "units"},
        "features": {"date_parts": ["day"]},
        "categorical": ["shop", "dayDayofweek"],
        "continuous": [],
        "validation": {"last": "20d"},
        "forecast": {"floor": "off"},
        "train": {"epochs": 6, "batch_size": 64, "lr": 0.01, "threads": 1, "members": 2},
        "calibration": {"windows": 0},
    }
    run = tabcli.train(tabcli.prep(config, {"train": rows}))
    labels = pd.DataFrame({"shop": [0, 2, 4, 1, 3, 5], "label": ["week"] * 3 + ["weekend"] * 3})
    found = tabcli.embeddings(run, labels=labels, near=["6"], neighbours=5)
    assert found.labelled is not None
    assert len(found.labelled.similar) == 14
    assert all(s.label == ("weekend" if int(s.series) % 2 else "week") for s in found.labelled.similar)
    assert all(int(n.name) % 2 == 0 for n in found.near["6"])
    assert found.agreements[0].verdict == "stable"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--near", "shop 22"], 2, "--near shop 22: the run knows no such level of shop; did you mean 'shop 2'?"),
        (["--near", "kind=zz"], 2, "the run knows no such level of kind"),
        (["--map", "pcb"], 2, "expected one of pca, tsne, umap; did you mean 'pca'?"),
        (["--view", "raw"], 2, "expected one of read, weights"),
        (["-n", "0"], 2, "--neighbours 0: expected 1 or more"),
        (["--label", "nothing.csv"], 4, "nothing.csv: no such file"),
        (["--data", "nowhere", "--out", "x"], 4, "nowhere"),
    ],
)
def test_wrong_calls_say_what_to_do(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in command(run, *words, code=code).stderr
    assert not list(tmp_path.iterdir())


def test_only_what_it_wrote_is_replaced(
    run: Path, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "svg_and_png", lambda of, colouring: ("<svg/>", b""))  # not what is drawn matters
    assert "exists already" in command(run, "--out", written, code=2).stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert "was not written by tabcli" in command(run, "--out", tmp_path / "mine", "--force", code=2).stderr
    assert "lies in the run" in command(run, "--out", run / "maps", code=2).stderr
    before = {p.name for p in run.iterdir()}
    command(run, "--out", tmp_path / "new")
    command(run, "--out", tmp_path / "new", "--force")
    assert {p.name for p in run.iterdir()} == before


# ---------------------------------------------------------------------------------------------- page


class Page(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {k: v or "" for k, v in attrs}))


def test_the_page_asks_for_nothing_and_runs_one_script_alone(written: Path) -> None:
    html = (written / "embeddings.html").read_text(encoding="utf-8")
    page = Page(html)
    policy = next(a["content"] for tag, a in page.found if a.get("http-equiv") == "Content-Security-Policy")
    script = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    for tag, attributes in page.found:
        assert not [a for a in attributes if a.startswith("on")], tag
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form"), tag
        assert all(attributes[a].startswith("#") for a in ("href", "src") if a in attributes), (tag, attributes)
    assert "eval(" not in script[0]
    assert "innerHTML" not in script[0]
    assert "fetch(" not in script[0]
    ids = [a["id"] for _, a in page.found if "id" in a]
    assert len(ids) == len(set(ids))
    assert NASTY not in html  # as text it is escaped, in JSON too


def test_the_page_has_a_point_for_each_series_with_every_colouring(written: Path) -> None:
    html = (written / "embeddings.html").read_text(encoding="utf-8")
    first = html[html.index('id="m0"') : html.index("</figure>")]
    circles = re.findall(r'<circle class="([^"]*)"', first)
    choices = re.findall(r'<input type="radio" name="m0" id="m0-(\w+)"( checked)?> ([^<]*)</label>', first)
    assert len(circles) == N_SHOPS
    assert [name for _, _, name in choices][:2] == ["usual units", "kind"]
    assert [bool(checked) for _, checked, _ in choices] == [True] + [False] * (len(choices) - 1)
    for classes in circles:
        assert [re.sub(r"\d+|x$", "", c) for c in classes.split()] == [letter for letter, _, _ in choices]
    data = json.loads(re.findall(r'id="maps-data">(.*?)</script>', html, flags=re.DOTALL)[0])
    assert data["keys"] == ["shop"]
    assert sorted(data["names"]) == sorted([NASTY, *(f"shop {i}" for i in range(2, 7))])
    assert all(len(near) == N_SHOPS - 1 for near in data["near"])
    rules = html[: html.index("</style>")]
    assert all(f"#m0:has(#m0-{letter}:checked)" in rules for letter, _, _ in choices)
    assert rules.count(":has(") > len(choices)


def test_two_makings_give_the_same_bytes(run: Path, folder: Path, written: Path, tmp_path: Path) -> None:
    command(run, "--data", folder, "--out", tmp_path / "again")
    names = sorted(p.relative_to(written) for p in written.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert [n for n in names if (written / n).read_bytes() != (tmp_path / "again" / n).read_bytes()] == []
    assert len([n for n in names if n.suffix == ".png"]) == len([n for n in names if n.suffix == ".svg"]) > 5


def test_maps_can_be_drawn_by_tsne(run: Path, tmp_path: Path) -> None:
    command(run, "--out", tmp_path / "out", "--map", "tsne", "--view", "weights")
    maps: dict[str, Any] = json.loads((tmp_path / "out" / "embeddings.json").read_text())["maps"]
    assert maps["series"]["method"] == "tsne"
    assert np.isfinite(maps["series"]["points"]).all()


def test_a_run_without_an_embedding_of_its_series(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    config = copy.deepcopy(CONFIG)
    config["categorical"] = [c for c in config["categorical"] if c != "shop"]
    run = tabcli.train(tabcli.prep(config, tables), overrides=FAST)
    made = tabcli.embeddings(run, tmp_path / "out", data=tables)
    assert "Each point is a series" not in made.html
    with pytest.raises(tabcli.UsageError, match="no network has an embedding of the series"):
        tabcli.embeddings(run, near=["shop 2"])
    assert "10 columns in 1 network:" in repr(made)


def test_other_formats_of_given_tables(run: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"shop": [f"shop {i}" for i in range(2, 7)], "size": np.arange(5.0)})
    found = tabcli.embeddings(run, beside=[table]).besides[0]
    assert found.of == "distances of size"
    table.to_parquet(tmp_path / "t.parquet")
    assert tabcli.embeddings(run, beside=[tmp_path / "t.parquet"]).besides[0].to_dict() == found.to_dict()
