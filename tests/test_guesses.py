"""What init takes for past, future, date, target, series and joins: tables like those that people have, in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabcli.config.values import Duration
from tabcli.errors import UsageError
from tabcli.features.frequency import Frequency
from tabcli.onboarding.findings import Discovery, FolderTable, InitHints, refuse_to_guess
from tabcli.onboarding.joins import find_joins
from tabcli.onboarding.layout import added_up, made_long
from tabcli.onboarding.rows import find_date, find_rows, is_empty_ahead, one_of
from tabcli.onboarding.series import find_series, key_columns
from tabcli.onboarding.targets import find_target

N = 60
DAYS = pd.date_range("2024-01-01", periods=N, unit="us")
NO_HINTS = InitHints()


def table(name: str, **columns: Any) -> FolderTable:
    """A table as init reads it: texts are categories, moments are of microseconds."""
    frame = pd.DataFrame({c: np.asarray(v) if not isinstance(v, pd.DatetimeIndex) else v for c, v in columns.items()})
    texts = [c for c in frame.columns if frame[c].dtype == object or str(frame[c].dtype) == "str"]
    for column in texts:
        frame[column] = frame[column].astype("str").astype("category")
    return FolderTable(name, {"file": f"{name}.csv"}, frame)


def shops(*names: str, days: pd.DatetimeIndex = DAYS, **columns: Any) -> FolderTable:
    """A row for each shop and day; other columns hold one value a row or are repeated."""
    rows = {"shop": np.repeat(names, len(days)), "day": pd.DatetimeIndex(np.tile(days, len(names)))}
    n = len(names) * len(days)
    return table("sales", **rows, **{c: np.resize(np.asarray(v), n) for c, v in columns.items()})


def amounts(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 900, n)


# ------------------------------------------------------------------------------------- past and future


def test_a_table_of_later_dates_without_the_target_is_the_future() -> None:
    past = shops("a", "b", units=amounts(2 * N), promo=[0, 1])
    ahead = shops("a", "b", days=DAYS + pd.Timedelta(N, unit="D"), promo=[0, 1])
    ahead = FolderTable("next", {"file": "next.csv"}, ahead.table)
    train, future, why = find_rows({"sales": past, "next": ahead}, NO_HINTS)
    assert (train, future) == (past, ahead)
    assert why == "next.csv has its columns less the target, and later dates"


@pytest.mark.parametrize(
    ("ahead", "empty"),
    [([np.nan, np.nan], True), ([0.0, 0.0], True), ([0.0, 5.0], False), ([1.0, np.nan], False)],
)
def test_a_target_that_is_nowhere_or_zero_ahead_is_empty_there(ahead: list[float], empty: bool) -> None:
    past = pd.DataFrame({"sales": [3.0, 9.0], "holiday": [0.0, 1.0]})
    assert is_empty_ahead(pd.DataFrame({"sales": ahead}), past, "sales") == empty
    holiday = pd.DataFrame({"holiday": ahead}).rename(columns={"sales": "holiday"})
    assert is_empty_ahead(holiday, past, "holiday") == bool(np.isnan(ahead).all()), "0 is a holiday's usual value"


def test_the_largest_table_with_dates_and_a_target_is_the_past() -> None:
    calendar = table("calendar", day=pd.date_range("2020-01-01", periods=3000, unit="us"), holiday=np.arange(3000) % 2)
    sales = shops("a", units=amounts(N))
    train, future, why = find_rows({"calendar": calendar, "sales": sales}, NO_HINTS)
    assert (train, future, why) == (sales, None, "by far the most rows with a date")


def test_two_tables_as_large_are_a_question_and_names_answer_it() -> None:
    tables = {name: FolderTable(name, {"file": f"{name}.csv"}, shops("a", units=amounts(N)).table) for name in "xy"}
    with pytest.raises(UsageError, match=r"the table of the past: it may be x\.csv or y\.csv") as error:
        find_rows(tables, NO_HINTS)
    assert str(error.value.hint) == "say which: --train x.csv"
    assert find_rows(tables, InitHints(train="y.csv"))[0] is tables["y"]
    assert find_rows(tables, InitHints(train="x", future="y"))[:2] == (tables["x"], tables["y"])
    with pytest.raises(UsageError, match=r"--train z: no such table"):
        find_rows(tables, InitHints(train="z"))


def test_a_folder_without_dates_shows_what_its_columns_look_like() -> None:
    odd = FolderTable("t", {"file": "t.csv"}, pd.DataFrame({"when": [1]}), looks={"when": "dates such as '1.2'"})
    with pytest.raises(UsageError, match=r"t\.csv: column 'when' looks like dates such as '1\.2'") as error:
        find_rows({"t": odd}, NO_HINTS)
    assert "--read date_format=" in str(error.value.hint)


def test_an_only_answer_is_taken_and_one_of_several_is_asked_for() -> None:
    asked: list[tuple[str, str, Sequence[str]]] = []

    def ask(question: str, option: str, answers: Sequence[str]) -> str:
        asked.append((question, option, answers))
        return answers[-1]

    hints = InitHints(ask=ask)
    assert one_of("what", "--it", ["a"], hints, none="") == "a"
    assert not asked
    assert one_of("what", "--it", ["a", "b"], hints, none="") == "b"
    assert asked == [("what", "--it", ["a", "b"])]
    with pytest.raises(UsageError, match="what: there is none"):
        one_of("what", "--it", [], hints, none="there is none")
    with pytest.raises(UsageError, match="what: it may be a or b"):
        refuse_to_guess("what", "--it", ["a", "b"])


# -------------------------------------------------------------------------------------- date and target


def test_the_date_is_the_column_of_dates_that_is_complete() -> None:
    source = table("t", day=DAYS, opened=pd.DatetimeIndex([pd.NaT, *DAYS[1:]]), y=amounts(N))
    assert find_date(source, None, NO_HINTS) == "day"
    assert find_date(source, None, InitHints(date="opened")) == "opened"
    with pytest.raises(UsageError, match=r"--date y: no column of dates in t\.csv") as error:
        find_date(source, None, InitHints(date="y"))
    assert "dates: day, opened" in str(error.value.hint)


def test_two_dates_are_a_question_unless_the_future_has_one_of_them() -> None:
    source = table("t", day=DAYS, shipped=DAYS + pd.Timedelta(2, unit="D"), y=amounts(N))
    with pytest.raises(UsageError, match="it may be day or shipped"):
        find_date(source, None, NO_HINTS)
    ahead = table("f", day=DAYS)
    assert find_date(source, ahead, NO_HINTS) == "day"


TARGETS: list[tuple[dict[str, Any], str, str]] = [
    ({"units": amounts(N)}, "units", "the only number"),
    ({"units": amounts(N), "id": np.arange(N)}, "units", "the only number"),
    ({"visitors": amounts(N), "sales": amounts(N, 1)}, "sales", "of visitors, sales it has a target's name"),
    ({"temperature": amounts(N) / 7, "Umsatz": amounts(N, 1) / 3}, "Umsatz", "it has a target's name"),
    ({"a": amounts(N), "b": amounts(N, 1), "total": amounts(N) + amounts(N, 1)}, "total", "it is the sum of a, b"),
    ({"load": amounts(N), "month": DAYS.month, "flag": np.arange(N) % 2}, "load", "the only number"),
]


@pytest.mark.parametrize(("columns", "target", "why"), TARGETS)
def test_the_target_is_found_among_keys_flags_parts_of_dates_and_summands(
    columns: dict[str, Any], target: str, why: str
) -> None:
    found, reason = find_target(table("t", day=DAYS, **columns), None, "day", NO_HINTS)
    assert found == target
    assert why in reason


def test_the_target_is_what_the_rows_to_forecast_lack() -> None:
    source = table("t", day=DAYS, a=amounts(N), b=amounts(N, 1))
    assert find_target(source, table("f", day=DAYS, a=amounts(N)), "day", NO_HINTS)[0] == "b"
    with pytest.raises(UsageError, match="the target: it may be a or b"):
        find_target(source, None, "day", NO_HINTS)
    with pytest.raises(UsageError, match=r"--target c: no column of numbers in t\.csv"):
        find_target(source, None, "day", InitHints(target="c"))


def test_a_table_without_a_target_says_what_each_number_is() -> None:
    source = table("t", day=DAYS, row=np.arange(N), month=DAYS.month, open=np.arange(N) % 2)
    with pytest.raises(UsageError) as error:
        find_target(source, None, "day", NO_HINTS)
    for line in ("row is a number of the row", "month is a part of the date", "open is a flag of 0 and 1"):
        assert line in error.value.message


# ---------------------------------------------------------------------------------------------- series


def series_of(source: FolderTable, hints: InitHints = NO_HINTS) -> tuple[str, ...]:
    return find_series(source, None, "day", "units", hints)[0]


def test_the_fewest_columns_that_name_a_row_with_the_date_are_the_series() -> None:
    one = shops("a", "b", units=amounts(2 * N))
    assert series_of(one) == ("shop",)
    rows = one.table
    both = pd.concat([rows.assign(item=1), rows.assign(item=2)], ignore_index=True)
    assert series_of(FolderTable("t", {"file": "t.csv"}, both)) == ("shop", "item")


def test_one_series_needs_no_column_but_takes_one_that_names_it() -> None:
    assert series_of(table("t", day=DAYS, units=amounts(N))) == ()
    assert series_of(table("t", day=DAYS, units=amounts(N), shop=["only"] * N)) == ("shop",)
    assert series_of(table("t", day=DAYS, units=amounts(N), store_id=np.full(N, 7))) == ("store_id",)
    assert series_of(table("t", day=DAYS, units=amounts(N), weight=np.full(N, 7))) == ()


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (("shpo",), "--series shpo: no such column in sales.csv", "did you mean shop?"),
        (("shop", "day"), "--series shop,day: day is the date, which names no series", "--series shop"),
        (("units",), "units is the target", "where there is one series no column is needed"),
    ],
)
def test_series_that_cannot_be_are_refused(said: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        series_of(shops("a", "b", units=amounts(2 * N)), InitHints(series=said))
    assert message in error.value.message
    assert error.value.hint == hint


def lines(n: int = 400) -> FolderTable:
    """Lines of sale: many a day and article."""
    rng = np.random.default_rng(5)
    return table(
        "lines",
        day=pd.DatetimeIndex(rng.choice(DAYS, n)),
        article=rng.choice(["pen", "ink"], n),
        units=rng.integers(1, 9, n),
        price=rng.choice([2.0, 3.0], n),
        on_offer=rng.integers(0, 2, n),
    )


def test_lines_of_sale_are_refused_with_what_adding_them_up_would_give() -> None:
    source = lines()
    total = source.table["units"].sum()
    with pytest.raises(UsageError, match="of 400 rows repeat the article, day of another") as error:
        series_of(source)
    n_rows = len(source.table[["day", "article"]].drop_duplicates())
    assert f"--aggregate --series article: {n_rows:,} rows a day, units {total:,} in all" in str(error.value.hint)
    assert key_columns(source, "day", "units") == ["article"]


def test_added_up_lines_keep_the_sum_the_mean_price_and_whether_there_was_an_offer() -> None:
    source = lines()
    made = added_up(source, "day", "units", ("article",))
    groups = source.table.groupby(["article", "day"], observed=True)
    got = made.table.set_index(["article", "day"]).sort_index()
    for column, how in (("units", "sum"), ("price", "mean"), ("on_offer", "max")):
        expected = groups[column].agg(how).sort_index()
        np.testing.assert_allclose(got[column].to_numpy("float64"), expected.to_numpy("float64"))
    assert made.spec["aggregate"] == {
        "by": ["article", "day"],
        "sum": ["units"],
        "mean": ["price"],
        "max": ["on_offer"],
    }
    assert f"400 lines added up to {len(made.table):,} rows: units sums to" in made.notes[0]


# ------------------------------------------------------------------------------------------------ wide


def test_columns_named_by_dates_are_melted_and_others_are_not() -> None:
    wide = {f"2024-01-{day:02d}": amounts(3, day) for day in range(1, 9)}
    made = made_long(table("wide", shop=["a", "b", "c"], **wide), {}, NO_HINTS)
    assert made.spec["melt"] == {"keep": ["shop"], "names": "date", "values": "value"}
    assert made.kinds["date"] == "date"
    assert made.table["value"].sum() == sum(v.sum() for v in wide.values())
    long = shops("a", units=amounts(N))
    assert made_long(long, {}, NO_HINTS) is long


def test_numbered_columns_need_a_table_that_dates_them() -> None:
    wide = table("wide", item=["x", "y"], **{f"d_{i}": amounts(2, i) for i in range(1, 15)})
    with pytest.raises(UsageError, match=r"14 columns d_1 … d_14 look like steps of time"):
        made_long(wide, {"wide": wide}, NO_HINTS)
    calendar = table("calendar", d=[f"d_{i}" for i in range(1, 15)], date=DAYS[:14])
    made = made_long(wide, {"wide": wide, "calendar": calendar}, NO_HINTS)
    assert made.table["date"].unique().tolist() == list(DAYS[:14])


# ----------------------------------------------------------------------------------------------- joins


def joined(*sides: FolderTable, **columns: Any) -> Discovery:
    """What is found of three shops and these other tables."""
    train = shops("a", "b", "c", units=amounts(3 * N), **columns)
    daily = Frequency.of(pd.Series(DAYS))
    found = Discovery(train, None, "day", "units", ("shop",), daily, Duration(14, "d"), True)
    found.rows = train.table
    find_joins(found, sides)
    return found


def test_facts_of_shops_are_joined_by_their_key_under_either_name() -> None:
    for key in ("shop", "shop_name"):
        found = joined(table("facts", **{key: ["a", "b", "c"]}, size=[1.5, 2.5, 3.5]))
        [guess] = found.joins
        assert guess.join == {"table": "facts", "on": ["shop"]}
        assert found.rows["size"].tolist() == [1.5] * N + [2.5] * N + [3.5] * N


def test_a_table_may_bring_the_key_of_another() -> None:
    towns = table("towns", town=["x", "y"], people=[1000.0, 2000.5])
    found = joined(towns, table("facts", shop=["a", "b", "c"], town=["x", "y", "y"]))
    assert [g.join["table"] for g in found.joins] == ["facts", "towns"]
    assert {*found.rows["people"]} == {1000.0, 2000.5}


def test_names_that_stand_twice_get_their_tables_name() -> None:
    found = joined(table("facts", shop=["a", "b", "c"], promo=[0.5, 1.5, 2.5]), promo=[0, 1])
    assert {"promo", "facts_promo"} <= {*found.rows.columns}
    assert found.joins[0].source.spec["rename"] == {"promo": "facts_promo"}


def test_a_table_of_each_day_is_joined_by_it_and_a_weekly_one_as_of_it() -> None:
    weather = table("weather", day=DAYS, rain=amounts(N) / 7)
    index = table("index", week=DAYS[::7] - pd.Timedelta(1, unit="D"), value=amounts(9) / 3)
    by = {g.join["table"]: g.join for g in joined(weather, index).joins}
    assert by["weather"]["on"] == ["day"]
    assert (by["index"]["as_of"], by["index"]["lag"], by["index"]["max_age"]) == ("week", "1w", "3w")


@pytest.mark.parametrize(
    ("side", "why"),
    [
        (table("t", shop=["a", "b"], units=[1, 2]), "it holds units"),
        (table("t", colour=["red", "blue"], size=[1.0, 2.0]), "no key of it was found in the rows"),
        (table("t", shop=[1, 2], size=[1.0, 2.0]), "its shop is int, but text in the rows: read both alike"),
    ],
)
def test_a_table_that_is_not_joined_says_why(side: FolderTable, why: str) -> None:
    found = joined(side)
    assert not found.joins
    assert why in found.unjoined["t.csv"]
