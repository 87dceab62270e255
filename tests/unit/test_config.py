"""Settings are validated once, with a message that says what to write instead."""

import dataclasses
import pickle

import numpy as np
import pytest

from bondline import BondlineError, InputError, MpsConfig
from bondline.config import MpsSettings
from bondline.memory import available_memory


def test_defaults_are_those_of_the_documentation():
    config = MpsConfig()
    settings = config.engine_settings()
    assert config.max_bond_dim == 128
    assert settings.cutoff == 1e-20
    assert settings.single_precision is False
    assert (settings.readout, settings.ordering, settings.truncation) == ("local", "auto", "auto")
    assert settings.threads is None
    assert config.min_fidelity == 0.99
    assert 0 < settings.memory_limit <= available_memory()


def test_the_precision_chooses_the_cutoff():
    settings = MpsConfig(c_dtype=np.complex64).engine_settings()
    assert settings.cutoff == 1e-12
    assert settings.single_precision is True
    assert MpsConfig(c_dtype="complex64", cutoff=0).engine_settings().cutoff == 0.0
    # Derivatives are computed in double precision.
    assert MpsConfig(c_dtype=np.complex64).engine_settings(derivatives=True).cutoff == 1e-20
    chosen = MpsConfig(c_dtype=np.complex64, cutoff=1e-6)
    assert chosen.engine_settings(derivatives=True).cutoff == 1e-6


def test_numpy_numbers_become_python_numbers():
    config = MpsConfig(
        max_bond_dim=np.int32(8),
        cutoff=np.float32(0.5),
        threads=np.uint8(2),
        memory_limit=np.int64(10**12),
        ordering=np.array([1, 0]),
        seed=np.int64(3),
    )
    assert type(config.max_bond_dim) is int
    assert type(config.cutoff) is float
    assert config.ordering == (1, 0)
    assert type(config.seed) is int
    assert config.engine_settings().memory_limit == 10**12


@pytest.mark.parametrize(
    "seed", ["global", None, 7, np.random.SeedSequence(1), np.random.default_rng(1)]
)
def test_every_kind_of_seed_is_accepted(seed):
    assert MpsConfig(seed=seed).seed is seed or MpsConfig(seed=seed).seed == seed


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_bond_dim", 0, "at least 1"),
        ("max_bond_dim", -3, "at least 1"),
        ("max_bond_dim", True, "integer"),
        ("max_bond_dim", 2.0, "integer"),
        ("max_bond_dim", "64", "integer"),
        ("cutoff", -1e-9, r"\[0, 1\)"),
        ("cutoff", 1.0, r"\[0, 1\)"),
        ("cutoff", float("nan"), r"\[0, 1\)"),
        ("cutoff", True, "real number"),
        ("cutoff", "small", "real number"),
        ("c_dtype", np.float64, "complex128 or complex64"),
        ("c_dtype", None, "complex128 or complex64"),
        ("c_dtype", "no such type", "complex128 or complex64"),
        ("readout", "global", '"local", "state"'),
        ("readout", None, '"local", "state"'),
        ("ordering", "best", "permutation"),
        ("ordering", [0, 0, 1], "once"),
        ("ordering", [1, 2], "once"),
        ("ordering", [True, False], "once"),
        ("ordering", 3, "permutation"),
        ("min_fidelity", 1.5, r"\[0, 1\]"),
        ("min_fidelity", float("nan"), r"\[0, 1\]"),
        ("min_fidelity", None, "real number"),
        ("on_low_fidelity", "error", '"warn", "raise", "ignore"'),
        ("threads", 0, "at least 1"),
        ("threads", 1.5, "integer"),
        ("seed", "random", "SeedSequence"),
        ("seed", -1, "negative"),
        ("seed", True, "SeedSequence"),
        ("memory_limit", 0, "at least 1"),
        ("memory_limit", 1e9, "integer"),
        ("gradient", "backprop", '"adjoint", "two-state", "parameter-shift"'),
        ("truncation", "qr", '"auto", "exact", "gram", "svd"'),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value, words):
    with pytest.raises(InputError, match=words) as caught:
        MpsConfig(**{name: value})
    assert name in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, BondlineError)


def test_derivatives_belong_to_the_device_by_default():
    assert MpsConfig().gradient == "adjoint"
    for method in ("adjoint", "two-state", "parameter-shift"):
        assert MpsConfig(gradient=method).gradient == method


def test_the_engine_is_told_whether_to_sweep():
    settings = MpsConfig().engine_settings()
    assert (settings.sweeps, settings.truncation) == (True, "auto")
    settings = MpsConfig().engine_settings(differentiable=True)
    assert (settings.sweeps, settings.truncation) == (False, "exact")
    settings = MpsConfig(truncation="svd").engine_settings(differentiable=True)
    assert settings.truncation == "svd"


def test_an_unknown_keyword_names_the_closest():
    with pytest.raises(TypeError, match="did you mean 'max_bond_dim'") as caught:
        MpsConfig.from_keywords("bondline.mps", {"max_bond_dimension": 4})
    for field in dataclasses.fields(MpsConfig):
        assert field.name in str(caught.value)


def test_typed_keywords_are_the_fields():
    assert set(MpsSettings.__annotations__) == {
        field.name for field in dataclasses.fields(MpsConfig)
    }


def test_settings_are_frozen_and_survive_pickling():
    config = MpsConfig(max_bond_dim=5, ordering=[1, 0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_bond_dim = 6
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(config) == hash(MpsConfig(max_bond_dim=5, ordering=(1, 0)))
