"""Spaces, neighbours, agreement, places and labels: against other code, and laws that hold whatever was learned."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import binomtest, spearmanr
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from tabcli.arrays import FloatArray
from tabcli.errors import DataError, UsageError
from tabcli.maps import labels as of_labels
from tabcli.maps import projection as of_projection
from tabcli.maps.agreement import agreement, shared_shape
from tabcli.maps.beside import column_of, compare, great_circle, mantel
from tabcli.maps.drawing import map_of, svg_and_png
from tabcli.maps.known import OTHERS, by_column, by_numbers
from tabcli.maps.labels import labelled, read_labels, wilson
from tabcli.maps.neighbours import nearest, neighbours_of
from tabcli.maps.projection import project
from tabcli.maps.spaces import Space, unit


def drawn(n: int, d: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(n, d))


def space_of(*vectors: FloatArray, column: str = "shop") -> Space:
    return Space(column, tuple(f"s{i}" for i in range(len(vectors[0]))), tuple(map(unit, vectors)))


def turned(vectors: FloatArray, seed: int) -> FloatArray:
    """The same things in other directions, mirrored maybe, larger, elsewhere."""
    d = vectors.shape[1]
    rotation = np.linalg.qr(drawn(d, d, seed))[0]
    return 7.0 * vectors @ rotation + 3.0


# ---------------------------------------------------------------------------------------- neighbours


def test_the_nearest_are_those_of_scikit_learn() -> None:
    vectors = drawn(300, 7, 0)
    places, apart = nearest(vectors, 6)
    theirs, of_them = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(vectors).kneighbors()
    # kneighbors() without points leaves each point itself out
    assert (places == of_them[:, :6]).all()
    assert apart == pytest.approx(theirs[:, :6], abs=1e-6)


def test_many_rows_in_parts_are_the_same_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = drawn(90, 3, 1)
    whole = nearest(vectors, 5)
    monkeypatch.setattr("tabcli.maps.neighbours.MOST_AT_ONCE", 700)
    assert all((a == b).all() for a, b in zip(whole, nearest(vectors, 5), strict=True))


def test_networks_that_share_a_neighbour_are_counted() -> None:
    line = np.arange(8.0)[:, None]
    other = line.copy()
    other[[1, 7]] = other[[7, 1]]  # in this network s7 stands where s1 stood
    found = neighbours_of(space_of(line, line, other), 0, 2)
    assert {n.name: n.members for n in found} == {"s2": 3, "s3": 0}  # s1 is near in two networks, and far in one


# ----------------------------------------------------------------------------------------- agreement


def test_the_shape_in_common_is_that_of_scipys_procrustes() -> None:
    a, b = drawn(40, 5, 2), drawn(40, 5, 3)
    b += a @ drawn(5, 5, 4)
    assert shared_shape(unit(a), unit(b)) == pytest.approx(1 - procrustes(a, b)[2])
    wider = np.hstack([b, np.zeros((40, 2))])
    assert shared_shape(unit(a), unit(wider)) == pytest.approx(shared_shape(unit(a), unit(b)))


def test_the_overlap_is_that_of_a_double_loop() -> None:
    vectors = [drawn(23, 4, seed) for seed in (1, 2, 3)]
    near = [np.argsort(cdist(v, v) + 1e9 * np.eye(23), axis=1)[:, :5] for v in map(unit, vectors)]
    shares = [np.mean([len({*a[i]} & {*b[i]}) / 5 for i in range(23)]) for a, b in
              ((near[0], near[1]), (near[0], near[2]), (near[1], near[2]))]  # fmt: skip
    found = agreement(space_of(*vectors), 0)
    assert found.k == 5
    assert found.overlap == pytest.approx(np.mean(shares))
    assert found.overlap_by_chance == pytest.approx(5 / 22)


@pytest.mark.parametrize("n", [12, 60])
def test_a_rotation_of_a_networks_space_changes_nothing(n: int) -> None:
    vectors = drawn(n, 6, 5)
    found = agreement(space_of(vectors, turned(vectors, 6), turned(vectors, 7)), 0)
    assert found.overlap == pytest.approx(1)
    assert found.shape == pytest.approx(1)
    assert found.verdict == "stable"


def test_shuffled_networks_agree_as_chance_does_and_are_called_unstable() -> None:
    rng = np.random.default_rng(8)
    vectors = drawn(80, 6, 9)
    found = [agreement(space_of(*(turned(vectors, k)[rng.permutation(80)] for k in range(3))), s) for s in range(20)]
    overlaps = [f.overlap or 0 for f in found]
    assert np.mean(overlaps) == pytest.approx(10 / 79, abs=0.01)
    assert np.mean([f.shape or 0 for f in found]) == pytest.approx(
        np.mean([f.shape_by_chance or 0 for f in found]), abs=0.02
    )
    assert {f.verdict for f in found} == {"unstable"}


def test_more_noise_means_less_agreement() -> None:
    vectors = drawn(70, 4, 10)
    kept = [
        agreement(space_of(*(turned(vectors, k) + 7 * noise * drawn(70, 4, 50 + k) for k in range(4))), 0).overlap or 0
        for noise in (0.0, 0.3, 1.0, 9.0)
    ]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == pytest.approx(1)
    assert kept[-1] < 0.25


def test_of_very_many_levels_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabcli.maps.agreement.MOST", 50)
    vectors = drawn(400, 4, 12)
    found = agreement(space_of(vectors, turned(vectors, 1)), 0)
    assert (found.levels, found.verdict) == (400, "stable")
    assert found.overlap == pytest.approx(1)
    assert found.overlap_by_chance == pytest.approx(10 / 49)
    other = agreement(space_of(vectors, drawn(400, 4, 13)), 0)
    assert other.verdict == "unstable"


def test_what_cannot_be_judged_is_said() -> None:
    alone = agreement(space_of(drawn(30, 3, 1)), 0)
    assert alone.verdict == "one network: cannot be judged"
    assert alone.overlap is None
    three = drawn(3, 2, 1)
    assert agreement(space_of(three, three), 0).verdict == "too few levels to tell"


# -------------------------------------------------------------------------------------------- beside


def test_mantels_correlation_is_spearmans_over_all_pairs() -> None:
    a, b = squareform(pdist(drawn(15, 3, 1))), squareform(pdist(drawn(15, 2, 2)))
    upper = np.triu_indices(15, 1)
    rho, _, n = mantel(a, b, np.random.default_rng(0))
    assert rho == pytest.approx(spearmanr(a[upper], b[upper]).statistic)
    assert n == 9999


def test_of_few_levels_all_orders_are_tried() -> None:
    line = squareform(pdist(np.array([[0.0], [1.0], [3.0], [7.0], [15.0]])))
    rho, p, n = mantel(line, line, np.random.default_rng(0))
    assert (rho, n) == (pytest.approx(1), 120)
    assert p == 1 / 120  # no other order has the same distances


def test_chance_is_found_as_often_as_it_is_promised() -> None:
    rng = np.random.default_rng(3)
    found = [mantel(squareform(pdist(rng.normal(size=(6, 4)))), squareform(pdist(rng.normal(size=(6, 2)))), rng)[1]
             for _ in range(100)]  # fmt: skip
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_a_planted_geography_is_found() -> None:
    table = pd.DataFrame({"shop": [f"s{i}" for i in range(12)], "lat": 47 + 8 * drawn(12, 1, 1)[:, 0] / 3})
    table["lon"] = 6 + 9 * drawn(12, 1, 2)[:, 0] / 3
    places = table[["lat", "lon"]].to_numpy() * [1.0, 0.64]
    wide = turned(np.hstack([places, np.zeros((12, 4))]), 3)
    found = compare(space_of(wide, wide + drawn(12, 6, 5)), table.sample(frac=1, random_state=1), "places.csv", 0)
    assert found.of == "great circles between lat and lon"
    assert found.rho > 0.9
    assert found.p < 0.01
    assert found.members[0] > found.members[1]
    noise = compare(space_of(drawn(12, 6, 77)), table, "places.csv", 0)
    assert abs(noise.rho) < 0.4
    assert noise.p > 0.05


def test_great_circles_are_kilometres() -> None:
    apart = great_circle(np.array([52.52, 48.137]), np.array([13.405, 11.575]))
    assert apart[0, 1] == pytest.approx(504, abs=2)  # Berlin and Munich
    assert apart[0, 0] == 0


def test_a_table_beside_that_does_not_fit_is_refused_with_what_is_known() -> None:
    space = space_of(drawn(6, 3, 1))
    good = pd.DataFrame({"shop": [f"s{i}" for i in range(6)], "x": np.arange(6.0)})
    with pytest.raises(DataError, match="repeat a level of 'shop'"):
        compare(space, pd.concat([good, good]), "t.csv", 0)
    with pytest.raises(DataError, match="'word' holds none"):
        compare(space, good.assign(word="a"), "t.csv", 0)
    with pytest.raises(DataError, match="3 of 6 rows name a level"):
        compare(space, good.assign(shop=["s0", "s1", "s2", "a", "b", "c"]), "t.csv", 0)
    with pytest.raises(DataError, match=r"no column is called .* did you mean 'shop'"):
        column_of(good.rename(columns={"shop": "shopp"}), ["shop", "kind"], "t.csv")
    with pytest.raises(DataError, match="expected one column with levels, found 'shop', 'x'"):
        column_of(good, ["shop", "x"], "t.csv")


# -------------------------------------------------------------------------------------------- labels


def planted(noise: float, seed: int = 0) -> tuple[Space, list[str]]:
    """60 series in three groups, in two networks."""
    groups = np.repeat(np.arange(3), 20)
    centres = 6 * np.eye(3)[groups]
    return space_of(*(turned(centres + noise * drawn(60, 3, seed + k), k) for k in range(2))), [f"g{g}" for g in groups]


def test_planted_groups_are_recovered_from_four_labels_each() -> None:
    space, truth = planted(1.0)
    given = {f"s{i}": truth[i] for i in (0, 5, 9, 13, 20, 25, 31, 39, 41, 44, 50, 59)}
    found = labelled(space, given, 0)
    assert found.separation is not None
    assert (found.separation.accuracy, found.separation.judged, found.k) == (1.0, 12, 3)
    assert found.separation.p < 0.01
    assert found.separation.low > 0.5 > found.separation.chance
    assert len(found.similar) == 48
    assert all(s.label == truth[int(s.series[1:])] for s in found.similar)
    assert all(s.other is not None and s.distance < s.other for s in found.similar)
    of_one = [s.distance for s in found.similar if s.label == "g1"]
    assert of_one == sorted(of_one)


def test_labels_at_random_are_told_no_better_than_by_chance() -> None:
    space, _ = planted(1.0)
    rng = np.random.default_rng(2)
    found = []
    for seed in range(40):
        chosen = rng.permutation(60)[:18]
        made = labelled(space, {f"s{i}": f"g{k % 3}" for k, i in enumerate(chosen)}, seed).separation
        assert made is not None
        found.append(made)
    assert np.mean([f.accuracy for f in found]) == pytest.approx(np.mean([f.chance for f in found]), abs=0.04)
    assert sum(f.p <= 0.05 for f in found) <= 5
    assert sum(f.low <= f.chance <= f.high for f in found) >= 36


def test_wilsons_interval_is_scipys() -> None:
    for right, n in ((0, 4), (3, 7), (24, 24), (50, 90)):
        theirs = binomtest(right, n).proportion_ci(0.95, method="wilson")
        assert wilson(right / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_a_label_of_one_series_is_used_and_not_judged() -> None:
    space, truth = planted(0.5)
    found = labelled(space, {"s0": "g0", "s1": "g0", "s2": "g0", "s30": "g1", "missing": "g1"}, 0)
    assert found.lost == ("missing",)
    assert found.separation is not None
    assert found.separation.alone == ("g1",)
    assert found.separation.judged == 3
    assert {s.label for s in found.similar if truth[int(s.series[1:])] == "g1"} == {"g1"}
    alone = labelled(space, {"s0": "g0", "s1": "g0"}, 0)
    assert alone.separation is None
    assert all(s.other is None for s in alone.similar)
    with pytest.raises(DataError, match="none of the 1 labelled series is known"):
        labelled(space, {"s999": "a"}, 0)


def test_chance_is_of_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """With twenty of one label and two of another, always saying the first would be right in most cases."""
    space, _ = planted(1.0)
    given = {f"s{i}": "many" for i in range(20)} | {"s20": "few", "s40": "few"}
    monkeypatch.setattr(of_labels, "N_SHUFFLES", 49)
    made = labelled(space, given, 0).separation
    assert made is not None
    assert made.chance > 0.7
    assert made.by["many"][1] == 20


def test_labels_are_read_by_the_series_keys() -> None:
    table = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "y", "x"], "label": [" up ", None, "down"]})
    assert read_labels(table, ["a", "b"], "l.csv") == {"1,x": "up", "2,x": "down"}
    with pytest.raises(DataError, match="expected the columns a, c, label, found a, b, label"):
        read_labels(table, ["a", "c"], "l.csv")
    with pytest.raises(DataError, match="1 series have two labels, such as '1,x'"):
        read_labels(table.assign(a=1, b="x"), ["a", "b"], "l.csv")
    with pytest.raises(DataError, match="no row has a label"):
        read_labels(table.assign(label=""), ["a", "b"], "l.csv")


# ---------------------------------------------------------------------------------------- projection


def test_pca_is_scikit_learns() -> None:
    vectors = drawn(50, 6, 4) * [5, 3, 1, 1, 1, 1]
    theirs = PCA(2).fit(vectors)
    found = project(vectors, "pca", 0)
    points = theirs.transform(vectors)
    assert np.abs(found.points) == pytest.approx(np.abs(points))
    assert found.shown == pytest.approx(theirs.explained_variance_ratio_.sum())
    assert project(vectors[:, :1], "pca", 0).points[:, 1] == pytest.approx(0)


def test_tsne_is_the_same_for_the_same_seed_and_keeps_groups_together() -> None:
    space, truth = planted(0.5)
    a, b = (project(space.together(), "tsne", 3).points for _ in range(2))
    assert (a == b).all()
    groups = np.array(truth)
    near = nearest(a, 3)[0]
    assert (groups[near] == groups[:, None]).mean() > 0.95


def test_umap_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_projection, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the package umap-learn") as caught:
        project(drawn(20, 3, 0), "umap", 0)
    assert caught.value.hint is not None
    assert "tabcli[umap]" in caught.value.hint


# ------------------------------------------------------------------------------------------- colours


def test_numbers_are_coloured_by_ranges_of_as_many_points() -> None:
    made = by_numbers("size", np.append(np.arange(700.0), np.nan))
    assert np.bincount(made.codes[:-1]).tolist() == [100] * 7
    assert made.codes[-1] == -1
    assert made.labels[0] == "0 – 99"
    years = by_numbers("year", np.array([2013.0, 2015, 2013, 2014]))
    assert (years.labels, years.codes.tolist()) == (("2013", "2014", "2015"), [0, 2, 0, 1])
    assert by_numbers("x", np.full(3, np.nan)).labels == ()


def test_values_are_coloured_by_the_most_frequent_ones() -> None:
    texts = pd.Series([c for i, c in enumerate("abcdefghij") for _ in range(20 - i)] + [None])
    made = by_column("kind", texts)
    assert made.labels == (*"abcdefgh", OTHERS)
    assert made.codes[-1] == -1
    assert (made.codes == 8).sum() == 12 + 11
    assert by_column("name", pd.Series([f"shop {i}" for i in range(30)])).labels == ()


# ------------------------------------------------------------------------------------------- drawing


def test_a_map_keeps_to_its_frame_and_its_proportions() -> None:
    points = drawn(30, 2, 1) * [9, 1]
    made = map_of("k", "kind", [f"level {i}" for i in range(30)], np.arange(30), project(points, "pca", 0), [], 420)
    assert ((made.points >= 0) & (made.points <= made.size)).all()
    apart = pdist(made.points) / pdist(made.projection.points)
    assert apart.std() / apart.mean() < 0.01  # one scale for both directions
    assert made.beside is not None
    one = map_of("k", "kind", ["a", "b", "c"], np.arange(3), project(np.zeros((3, 2)), "pca", 0), [], 420)
    assert np.isfinite(one.points).all()


def test_names_do_not_hide_each_other() -> None:
    grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(4.0)), -1).reshape(-1, 2)
    made = map_of("k", "kind", [f"name {i}" for i in range(20)], np.arange(20), project(grid, "pca", 0), [], 420)
    assert made.beside is not None
    boxes = []
    for name, (x, y, anchor) in zip(made.names, made.beside, strict=True):
        left = x - {"start": 0, "middle": 3.5 * len(name), "end": 7 * len(name)}[anchor]
        boxes.append((left, y - 10, left + 7 * len(name), y + 3))
    hidden = sum(
        max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1])) > 30
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    )
    assert hidden == 0


def test_pictures_are_the_same_twice_and_hold_names_that_look_like_formulas() -> None:
    names = ["$x_1$", "<b>", "\N{CJK UNIFIED IDEOGRAPH-661F} & b"]
    made = map_of("k", "kind", names, np.arange(3), project(drawn(3, 2, 0), "pca", 0), [], 420)
    first, second = svg_and_png(made, None), svg_and_png(made, None)
    assert first == second
    assert "$x_1$" in first[0]
    assert first[1][:4] == b"\x89PNG"
