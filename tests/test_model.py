"""The network against numpy, and against what fastai's printed model says."""

import dataclasses
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tabcli.config import learning
from tabcli.config.learning import Model
from tabcli.config.schema import PRESETS
from tabcli.preprocessing.categorical import MISSING, UNKNOWN
from tabcli.training.layers import Dropout, EntityEmbeddings
from tabcli.training.loop import get_weights, mask_categories
from tabcli.training.network import ModelSpec, TabularMLP, describe, embedding_size, spec_of

SIZES = {"shop": 6, "weekday": 9, "kind": 4}


def make_spec(model: dict[str, Any] | None = None, n_continuous: int = 3, series: tuple[str, ...] = ()) -> ModelSpec:
    return spec_of(learning.Model.model_validate(model or {}), SIZES, (n_continuous, 0), (8.5, 0.4, 10.0), series)


def inputs(n: int, seed: int = 0, n_continuous: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    x_cat = np.stack([rng.integers(0, n_codes, n) for n_codes in SIZES.values()], axis=1).astype("int32")
    return torch.from_numpy(x_cat), torch.from_numpy(rng.normal(size=(n, n_continuous)).astype("float32"))


def randomised(spec: ModelSpec, seed: int = 0) -> TabularMLP:
    """A network whose every parameter and buffer is far from its initial value."""
    generator = torch.Generator().manual_seed(seed)
    model = TabularMLP(spec).eval()
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) * 0.8 + 0.1)
    return model


def by_numpy(model: TabularMLP, x_cat: torch.Tensor, x_cont: torch.Tensor) -> Any:
    """The forward pass in float64, from the weights and the module's documentation alone."""
    spec, w = model.spec, {k: v.astype("float64") for k, v in get_weights(model).items()}
    codes, x = x_cat.numpy(), x_cont.numpy().astype("float64")

    def norm(values: Any, prefix: str) -> Any:
        centred = (values - w[f"{prefix}.running_mean"]) / np.sqrt(w[f"{prefix}.running_var"] + 1e-5)
        return centred * w[f"{prefix}.weight"] + w[f"{prefix}.bias"]

    if spec.continuous_batch_norm:
        x = norm(x, "continuous_norm")
    ends = np.cumsum([n * width for n, width in spec.embeddings.values()])
    flat = np.split(w["embeddings.weights"], ends[:-1])
    tables = [part.reshape(size) for part, size in zip(flat, spec.embeddings.values(), strict=True)]
    h = np.concatenate([table[codes[:, i]] for i, table in enumerate(tables)] + [x], axis=1)
    for i, layer in enumerate(model.blocks):
        match layer:
            case nn.Linear():
                h = h @ w[f"blocks.{i}.weight"].T + w[f"blocks.{i}.bias"]
            case nn.ReLU():
                h = np.maximum(h, 0)
            case nn.SiLU():
                h = h / (1 + np.exp(-h))
            case nn.BatchNorm1d():
                h = norm(h, f"blocks.{i}")
    out = h @ w["head.weight"][0] + w["head.bias"][0]
    for i, column in enumerate(spec.series_head):
        position = list(spec.embeddings).index(column)
        out = out + (h * w[f"series_heads.{i}"][codes[:, position]]).sum(axis=1)
    if spec.output_range is None:
        return out * spec.y_std + spec.y_mean
    low, high = spec.output_range
    return low + (high - low) / (1 + np.exp(-out))


OPTIONS: list[dict[str, Any]] = [
    {"layers": [7, 5]},
    {"layers": [7], "activation": "relu", "series_head": False},
    {"layers": [6, 5, 4], "batch_norm": True, "continuous_batch_norm": True, "dropout": [0.5, 0.0, 0.2]},
    {"layers": [6], "output_range": "auto", "embedding_dropout": 0.3, "embedding_sizes": {"kind": 1}},
    {"layers": [6], "output_range": [2.0, 9.0]},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("series", [(), ("shop",), ("kind", "shop")])
def test_the_forward_pass_equals_numpy(options: dict[str, Any], series: tuple[str, ...]) -> None:
    model = randomised(make_spec(options, series=series))
    x_cat, x_cont = inputs(50)
    with torch.inference_mode():
        found = model(x_cat, x_cont).numpy()
    np.testing.assert_allclose(found, by_numpy(model, x_cat, x_cont), rtol=1e-4)


# 3, 8, 53, 1116: the widths that fastai prints for the lesson's columns of such sizes.
@pytest.mark.parametrize(("n", "width"), [(3, 3), (8, 5), (53, 15), (1116, 81), (32, 11), (27, 10), (10_000, 278)])
def test_embedding_widths_are_fastai_s(n: int, width: int) -> None:
    assert embedding_size(n) == width


@given(st.integers(2, 10**7))
def test_embedding_tables_stay_between_one_and_600_wide_and_small(n: int) -> None:
    assert 1 <= embedding_size(n) <= 600
    assert embedding_size(n) * n <= max(3_000_000, 16 * n)


def test_a_wide_vocabulary_is_narrowed_and_that_is_said_unless_the_config_decides() -> None:
    numbers, y = (2, 0), (0.0, 1.0, 1.0)
    spec = spec_of(Model(), {"shop": 100_001, "kind": 4}, numbers, y, ["shop"])
    assert spec.embeddings == {"shop": (100_001, 30), "kind": (4, 3)}
    assert "shop: 30 wide, not 600, for its 100,001 codes; model.embedding_sizes decides otherwise" in describe(spec)
    assert spec.series_head == (), "64 weights for each of them are more than 3 million"
    assert "no head for each shop" in describe(spec)
    own = spec_of(Model(embedding_sizes={"shop": 20}), {"shop": 100_001, "kind": 4}, numbers, y)
    assert own.embeddings["shop"] == (100_001, 20)
    assert "not 600" not in describe(own)
    usual = spec_of(Model(), {"shop": 10_001, "kind": 4}, numbers, y, ["shop"])
    assert (usual.embeddings["shop"], usual.series_head) == ((10_001, 278), ("shop",))
    assert "no head" not in describe(usual)


def test_the_lesson_s_network_is_fastai_s() -> None:
    """Order and options of the layers as fastai prints `TabularModel` for `layers=[1000, 500]`, `ps=[.001, .01]`."""
    model = TabularMLP(make_spec(PRESETS["lesson6"]["model"]))
    assert [type(b) for b in model.blocks] == [nn.Linear, nn.ReLU, nn.BatchNorm1d, Dropout] * 2
    linear = [b for b in model.blocks if isinstance(b, nn.Linear)]
    assert [(b.in_features, b.out_features) for b in linear] == [(4 + 5 + 3 + 3, 1000), (1000, 500)]
    assert [b.p for b in model.blocks if isinstance(b, Dropout)] == [0.001, 0.01]
    assert isinstance(model.continuous_norm, nn.BatchNorm1d)
    assert model.embedding_dropout.p == 0.04
    assert model.spec.output_range == pytest.approx((0.0, np.log(1.2 * np.exp(10.0))))
    assert not model.series_heads
    std = float(TabularMLP(big_spec()).embeddings.weights.detach().std())  # type: ignore[union-attr]
    assert std == pytest.approx(0.01 * 0.8796, rel=0.02)  # a normal cut at two sigma has 0.8796 of its std


def big_spec() -> ModelSpec:
    return spec_of(learning.Model.model_validate(PRESETS["lesson6"]["model"]), {"a": 5000}, (0, 0), (0.0, 1.0, 1.0))


def test_a_new_network_predicts_near_the_mean_of_the_log_target() -> None:
    model = TabularMLP(make_spec({"layers": [32]}, series=("shop",)))
    with torch.inference_mode():
        out = model.eval()(*inputs(500))
    assert abs(out.mean().item() - 8.5) < 0.4


def test_series_heads_start_at_zero_and_one_series_moves_only_its_own() -> None:
    model = TabularMLP(make_spec({"layers": [8]}, series=("shop",)))
    assert all((v == 0).all() for v in model.series_heads)
    x_cat, x_cont = inputs(20)
    x_cat[:, 0] = 3
    model(x_cat, x_cont).sum().backward()
    gradient = model.series_heads[0].grad
    assert gradient is not None
    assert gradient.abs().sum(1).nonzero().flatten().tolist() == [3]


def test_a_series_that_training_never_saw_uses_the_common_head() -> None:
    spec = make_spec({"layers": [8]}, series=("shop",))
    model, plain = randomised(spec), TabularMLP(dataclasses.replace(spec, series_head=())).eval()
    with torch.no_grad():
        model.series_heads[0][UNKNOWN] = 0  # as drawn, and as training without category dropout leaves it
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("series_heads")})
    x_cat, x_cont = inputs(20)
    x_cat[:, 0] = UNKNOWN
    assert torch.equal(model(x_cat, x_cont), plain(x_cat, x_cont))


def test_networks_without_categories_or_without_numbers_work() -> None:
    x_cat, x_cont = inputs(9)
    only_numbers = spec_of(learning.Model(), {}, (3, 0), (0.0, 1.0, 1.0), ("shop",))
    assert TabularMLP(only_numbers)(x_cat[:, :0], x_cont).shape == (9,)
    only_categories = make_spec({"continuous_batch_norm": True}, n_continuous=0)
    assert TabularMLP(only_categories)(x_cat, x_cont[:, :0]).shape == (9,)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_spec_survives_json(options: dict[str, Any]) -> None:
    spec = make_spec(options, series=("shop",))
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_the_description_counts_what_there_is() -> None:
    spec = make_spec({"layers": [8]}, series=("shop",))
    text = describe(spec)
    n_parameters = sum(v.size for v in get_weights(TabularMLP(spec)).values())
    assert f"{n_parameters:,} parameters" in text
    assert "shop 6×4  weekday 9×5  kind 4×3" in text
    assert "12 embedded + 3 continuous → 8 → 1, a head for each shop" in text


@settings(deadline=None)
@given(n=st.integers(1, 200), share=st.floats(0, 0.9))
def test_category_dropout_marks_about_its_share_as_unknown(n: int, share: float) -> None:
    torch.manual_seed(n)
    codes = torch.full((n, 3), 5, dtype=torch.int32)
    dropped = mask_categories(codes.clone(), share)
    hits = int((dropped == UNKNOWN).sum())
    assert set(dropped.unique().tolist()) <= {5, UNKNOWN}
    assert UNKNOWN != MISSING
    # Cells are drawn with replacement: never more than the share, and not far fewer than 1 - exp(-share) of all.
    assert hits <= round(share * 3 * n)
    assert hits >= 3 * n * (1 - np.exp(-share)) - 6 * np.sqrt(3 * n) / 2 - 1


@pytest.mark.parametrize("autocast", [False, True])
def test_all_embeddings_at_once_equal_torch_s_one_by_one(autocast: bool) -> None:
    torch.manual_seed(0)
    embeddings = EntityEmbeddings({"shop": (6, 3), "weekday": (9, 5), "kind": (4, 2)}, 0.3)
    tables = [t.detach().clone().requires_grad_() for t in embeddings.split(embeddings.weights)]
    x_cat, _ = inputs(200)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = embeddings(x_cat)
    expected = torch.cat([nn.functional.embedding(x_cat[:, i], t) for i, t in enumerate(tables)], dim=1)
    assert found.dtype == (torch.bfloat16 if autocast else torch.float32)
    torch.testing.assert_close(found, expected.to(found.dtype), rtol=0, atol=0)
    gradient = torch.randn(expected.shape).to(found.dtype)
    found.backward(gradient)
    expected.backward(gradient.float())
    wanted = torch.cat([t.grad.flatten() for t in tables if t.grad is not None])
    torch.testing.assert_close(embeddings.weights.grad, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "residual", "tabm"])
@pytest.mark.parametrize("activation", ["relu", "silu"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_order_of_layers_has_a_gradient(kind: str, activation: str, batch_norm: bool) -> None:
    """What works in place must not change what a gradient still needs."""
    chosen = {"kind": kind, "activation": activation, "batch_norm": batch_norm, "layers": (8, 8), "dropout": 0.5}
    model = TabularMLP(make_spec({**chosen, "embedding_dropout": 0.5, "continuous_batch_norm": True}))
    model(*inputs(16)).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("p", [0.02, 0.3, 0.7])
def test_dropout_drops_each_value_with_probability_p_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    drop, x = Dropout(p), torch.ones(400, 500, requires_grad=True)
    out = drop(x)
    kept = out != 0
    assert float(1 - kept.double().mean()) == pytest.approx(p, abs=5 * (p * (1 - p) / x.numel()) ** 0.5)
    assert out[kept].unique().tolist() == pytest.approx([1 / (1 - p)])
    for axis in (0, 1):  # no row and no column is spared
        shares = (~kept).double().mean(axis)
        assert float(shares.std()) == pytest.approx((p * (1 - p) / kept.shape[axis]) ** 0.5, rel=0.15)
    out.sum().backward()
    assert torch.equal(x.grad, out)
    drop.eval()
    assert torch.equal(drop(x), x)


def test_a_network_is_described_without_the_compiler_of_torch() -> None:
    """Its import takes a second of every `tabcli train`."""
    code = (
        "import json, sys\n"
        "from tabcli.training.network import ModelSpec, describe\n"
        "describe(ModelSpec.from_dict(json.loads(sys.argv[1])))\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(make_spec().to_dict())], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
