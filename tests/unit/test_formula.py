"""What is recorded of a computation gives its values, and its derivatives."""

import contextlib

import numpy as np
import pytest

from bondline.compiling.elementary import ELEMENTARY
from bondline.compiling.formula import Recorder
from bondline.compiling.functions import FUNCTIONS
from bondline.compiling.traced import Traced, Untraceable, traced_of

POINT = np.array([0.31, 0.72, 0.55])


def recorded(function, size=3):
    recorder = Recorder(size, FUNCTIONS)
    found = traced_of(function(Traced(recorder, np.arange(size))))
    return recorder.formula(found.registers)


def slopes(function, point, step=1e-6):
    return np.array(
        [
            (function(point + shift).sum() - function(point - shift).sum()) / (2 * step)
            for shift in step * np.eye(len(point))
        ]
    )


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_know_their_derivatives(name):
    function = getattr(np, name)
    if len(ELEMENTARY[name].derivatives) == 1:
        calls = [lambda x: function(x)]
    else:
        calls = [
            lambda x: function(x[:2], x[1:]),
            lambda x: function(x, 0.4),
            lambda x: function(0.4, x),
        ]
    for call in calls:
        formula = recorded(call)
        np.testing.assert_array_equal(formula(POINT), call(POINT))
        weights = np.ones(formula.results.shape)
        np.testing.assert_allclose(
            formula.pull(POINT, weights), slopes(call, POINT), atol=1e-7, rtol=1e-6
        )


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1])
def test_whole_powers_have_derivatives_at_zero_and_below(exponent):
    formula = recorded(lambda x: x**exponent)
    for value in (-0.5, 0.0, 0.5):
        if value == 0.0 and exponent < 0:
            continue
        expected = 0.0 if exponent == 0 else exponent * value ** (exponent - 1)
        found = formula.pull(np.full(3, value), np.array([1.0, 0.0, 0.0]))
        np.testing.assert_allclose(found, [expected, 0.0, 0.0])


def test_numbers_without_weight_have_no_share_where_a_function_is_steep():
    formula = recorded(lambda x: np.sqrt(x))
    found = formula.pull(np.array([0.0, 1.0, 4.0]), np.array([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(found, [0.0, 0.5, 0.25])


def test_many_numbers_take_few_steps():
    formula = recorded(lambda x: np.stack([2 * number for number in x]), size=1000)
    assert len(formula.steps) == 1
    formula = recorded(lambda x: sum(np.sin(x).reshape(10, 100).T) + np.sum(x), size=1000)
    assert len(formula.steps) < 120


def test_what_is_not_asked_for_is_not_computed():
    def function(x):
        np.exp(1000 * x)
        return 2 * x

    formula = recorded(function)
    assert [step.function for step in formula.steps] == ["multiply"]


def test_constants_do_not_vary():
    formula = recorded(lambda x: np.stack([x[0], 0 * x[1] + 1]))
    assert formula.varies.all()
    recorder = Recorder(1, FUNCTIONS)
    one, two = recorder.constants(1.0), recorder.constants(2.0)
    results = np.stack([np.intp(0), recorder.apply("add", one, two)])
    formula = recorder.formula(results)
    assert formula.varies.tolist() == [True, False]
    assert formula(np.array([0.5])).tolist() == [0.5, 3.0]


def test_a_refusal_is_kept_when_it_is_caught():
    def function(x):
        with contextlib.suppress(Untraceable):
            int(x[0])
        return x

    recorder = Recorder(3, FUNCTIONS)
    function(Traced(recorder, np.arange(3)))
    assert recorder.reason == "it makes an integer of an argument"
