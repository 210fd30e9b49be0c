"""Metric math against the tables and rules of the CloudWatch user guide. `-` is a time without a datapoint."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.emulator.cloud import AwsError
from harness.emulator.services.cloudwatch_math import Scope, Value, evaluate, names, parse
from harness.emulator.services.cloudwatch_query import sources_of

PERIOD = 60.0
TIMES = [n * PERIOD for n in range(5)]


def series(text: str) -> dict[float, float]:
    return {at: float(word) for at, word in zip(TIMES, text.split(), strict=False) if word != "-"}


def show(value: Value, times: list[float] = TIMES) -> str:
    if isinstance(value, list):
        return " | ".join(show(one, times) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{value[at]:g}" if at in value else "-" for at in times)
    return f"{value:g}"


def compute(text: str, **metrics: str) -> str:
    values: dict[str, Value] = {name: series(points) for name, points in metrics.items()}
    longest = max((len(points.split()) for points in metrics.values()), default=len(TIMES))
    times = TIMES[:longest]
    return show(evaluate(parse(text), Scope(values, list(metrics), times, PERIOD)), times)


def refusal(text: str) -> str:
    with pytest.raises(AwsError) as error:
        sources_of([{"Id": "e1", "Expression": text}, metric("m1"), metric("m2")])
    assert error.value.code == "ValidationError"
    return error.value.message


def metric(identifier: str) -> dict[str, object]:
    stat = {"Metric": {"Namespace": "n", "MetricName": "x"}, "Period": 60, "Stat": "Sum"}
    return {"Id": identifier, "MetricStat": stat, "ReturnData": False}


@pytest.mark.parametrize(
    ("text", "m1", "m2", "result"),
    [
        ("m1 + m2", "1 2 3", "10 20 30", "11 22 33"),
        ("m1 - 1", "1 2 -", "0 0 0", "0 1 -"),
        ("2 * m1 ^ 2", "1 2 3", "0 0 0", "2 8 18"),
        ("-m1 ^ 2", "1 2 3", "0 0 0", "-1 -4 -9"),
        ("2 - -m1", "1 2 3", "0 0 0", "3 4 5"),
        ("(m1 + m2) * 2", "1 2 3", "1 1 1", "4 6 8"),
        ("10 - m1 - m2", "1 2 3", "1 1 1", "8 7 6"),
        ("m1 + m2", "1 - -", "10 20 -", "11 20 -"),  # a missing value is 0 beside one that is there
        ("m1 / m2", "1 1 -", "2 0 -", "0.5 - -"),  # a division by zero is dropped
        ("m1 ^ 0.5", "4 -4 9", "0 0 0", "2 - 3"),
        (
            "100 * m1 / m2",
            "- 5 -",
            "100 100 -",
            "0 5 -",
        ),  # the alarm of a rehearsal: no error is 0 %, no request is nothing
    ],
)
def test_arithmetic_treats_a_missing_value_as_zero(text: str, m1: str, m2: str, result: str):
    assert compute(text, m1=m1, m2=m2) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [  # the user guide's own example
        ("metric1 < metric2", "0 0 1 0"),
        ("metric1 >= 30", "1 0 0 0"),
        ("metric1 > 15 AND metric2 > 15", "1 0 0 0"),
        ("metric1 > 15 && metric2 > 15", "1 0 0 0"),
        ("metric1 == 0 OR metric2 == 20", "1 0 1 1"),
        ("metric1 == 0 || metric2 != 20", "0 0 1 1"),
    ],
)
def test_comparison_gives_one_and_zero(text: str, result: str):
    assert compute(text, metric1="30 20 0 0", metric2="20 - 20 -") == result


@pytest.mark.parametrize(
    ("text", "result"),
    [  # the user guide's three tables
        ("IF(metric1, metric2, metric3)", "30 0 20 - -"),
        ("IF(metric1, 5, metric3)", "5 5 20 - -"),
        ("IF(metric1, metric2, 5)", "30 0 5 5 -"),
        ("IF(metric1, metric2)", "30 0 - - -"),
        ("IF(metric1 > 0, 1, 0)", "1 1 0 0 -"),
        ("IF(1, metric2, metric3)", "30 - 0 0 30"),
        ("IF(0, metric2)", "- - - - -"),
    ],
)
def test_if_chooses_per_datapoint(text: str, result: str):
    assert compute(text, metric1="1 1 0 0 -", metric2="30 - 0 0 30", metric3="0 0 20 - 20") == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("FILL(m1, 0)", "0 1 0 3 0"),
        ("FILL(m1, REPEAT)", "- 1 1 3 3"),
        ("FILL(m1, LINEAR)", "- 1 2 3 -"),
        ("FILL(m1, m2)", "9 1 7 3 5"),
        ("FILL(m1, MAX(m1))", "3 1 3 3 3"),
        ("FILL([m1, m2], 0)", "0 1 0 3 0 | 9 8 7 6 5"),
        ("FILL(METRICS(), REPEAT)", "- 1 1 3 3 | 9 8 7 6 5"),
    ],
)
def test_fill_fills_what_is_missing(text: str, result: str):
    assert compute(text, m1="- 1 - 3 -", m2="9 8 7 6 5") == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("SUM(m1)", "6"),
        ("AVG(m1)", "2"),
        ("MAX(m1) - MIN(m1)", "2"),
        ("STDDEV(m2)", "0"),
        ("DATAPOINT_COUNT(m1)", "3"),
        ("METRIC_COUNT(METRICS())", "2"),
        ("SUM([m1, m2])", "5 4 6 7"),
        ("SUM(METRICS())", "5 4 6 7"),
        ("AVG([m1, m2])", "2.5 2 3 3.5"),  # a missing value is 0
        ("MIN([m1, m2])", "1 4 2 3"),
        ("MAX(METRICS('2'))", "4 4 4 4"),
        ('SUM([METRICS("m1"), METRICS("m2")])', "5 4 6 7"),
        ("METRICS() * 2", "2 - 4 6 | 8 8 8 8"),
        ("SUM(100 / [m1, m2])", "125 25 75 58.3333"),
        ("m1 - AVG(m1)", "-1 - 0 1"),
        ("ABS(-m1)", "1 - 2 3"),
        ("CEIL(m1 / 2)", "1 - 1 2"),
        ("FLOOR(m1 / 2)", "0 - 1 1"),
        ("LOG(m1 - 1)", "- - 0 0.693147"),
        ("LOG10(m1 * 10)", "1 - 1.30103 1.47712"),
        ("DIFF(m1)", "- - 1 1"),
        ("RATE(m1 * 60)", "- - 0.5 1"),
        ("RUNNING_SUM(m1)", "1 - 3 6"),
        ("TIME_SERIES(MAX(m1))", "3 3 3 3"),
        ("m2 / PERIOD(m2)", "0.0666667 0.0666667 0.0666667 0.0666667"),
    ],
)
def test_function_computes_what_the_guide_says(text: str, result: str):
    assert compute(text, m1="1 - 2 3", m2="4 4 4 4") == result


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FOO(m1)", "unknown function FOO"),
        ("sum([m1, m2])", "unknown function sum"),  # AWS wants capitals
        ("FILL(m1)", "FILL has 1 arguments, and takes 2"),
        ("IF(m1)", "takes 2 to 3"),
        ("m1 +", "ends too early"),
        ("m1 m2", "unexpected 'm2'"),
        ("(m1", "')' is missing"),
        ("m1 % 2", "unexpected '%'"),
        ("", "ends too early"),
        ("m1 + m9", "m9 is no Id"),
        ("e1 + m1", "circle"),
        ("m1 + REPEAT", "REPEAT, which is not the Id"),
        ("SUM(m1)", "the result must be one time series, and is a number"),
        ("10", "the result must be one time series, and is a number"),
        ("METRICS()", "an array of time series"),
        ("METRICS() + METRICS()", "Two arrays of time series cannot be combined"),
        ("METRICS(m1)", "METRICS takes a text"),
        ("m1 + 'text'", '"text" is no value'),
        ("PERIOD(m1 + m2)", "PERIOD takes the Id of a metric"),
        ("SELECT AVG(x) FROM n", "not emulated"),
        ("(" * 200 + "m1" + ")" * 200, "nested more than 50 deep"),
        ("-" * 900 + "m1", "nested more than 50 deep"),
        ("m1^" * 60 + "m1", "nested more than 50 deep"),
        ("+".join(["m1"] * 600), "more than 1000 parts"),
        ("m1" + " " * 2050 + "+ m1", "more than 2048 characters"),
    ],
)
def test_wrong_expression_is_refused_with_its_reason(text: str, said: str):
    assert said in refusal(text)


def test_longest_sum_is_computed():
    assert compute("+".join(["m1"] * 500), m1="1 2") == "500 1000"


def test_names_are_the_ids_an_expression_refers_to():
    assert names(parse("FILL(IF(a > 1, -b, [c, d]), REPEAT) / METRIC_COUNT(METRICS('x'))")) == {"a", "b", "c", "d"}


def test_expressions_build_on_each_other_in_any_order():
    queries = [
        {"Id": "e2", "Expression": "e1 * 2"},
        {"Id": "e1", "Expression": "m1 + m2", "ReturnData": False},
        metric("m1"),
        metric("m2"),
    ]
    assert [source.id for source in sources_of(queries)] == ["m1", "m2", "e1", "e2"]


def test_long_chain_of_expressions_is_ordered_quickly():
    chain = [{"Id": f"e{n}", "Expression": f"e{n - 1} + e{n - 2}", "ReturnData": False} for n in range(2, 100)]
    ordered = sources_of([*reversed(chain), {**metric("e0")}, {**metric("e1")}])
    assert [source.id for source in ordered][-1] == "e99"


def test_duplicate_id_is_refused():
    with pytest.raises(AwsError, match="must be unique"):
        sources_of([metric("m1"), metric("m1")])


@pytest.mark.parametrize("identifier", ["M1", "1m", "_m", "m-1", "m 1"])
def test_id_must_begin_with_a_lower_case_letter(identifier: str):
    with pytest.raises(AwsError, match="lower case letter"):
        sources_of([metric(identifier)])


# ---- properties

POINTS = st.dictionaries(st.sampled_from(TIMES), st.floats(-1e6, 1e6), max_size=5)
WORDS = ["m1", "m2", "1", "0", "1e308", "+", "-", "*", "/", "^", "(", ")", ",", "[", "]", "<", "AND", "'m'"]
WORDS += ["SUM(", "AVG(", "IF(", "FILL(", "RATE(", "METRICS()", "REPEAT", "LINEAR", "LOG(", "STDDEV(", "RUNNING_SUM("]


@given(POINTS, POINTS)
def test_sum_has_a_datapoint_where_either_has_one(m1: dict[float, float], m2: dict[float, float]):
    value = evaluate(parse("m1 + m2"), Scope({"m1": m1, "m2": m2}, ["m1", "m2"], TIMES, PERIOD))
    assert value == {at: m1.get(at, 0) + m2.get(at, 0) for at in m1.keys() | m2.keys()}


@given(POINTS, st.sampled_from(["0", "REPEAT", "LINEAR", "m2"]), POINTS)
def test_fill_never_changes_what_is_there(m1: dict[float, float], how: str, m2: dict[float, float]):
    value = evaluate(parse(f"FILL(m1, {how})"), Scope({"m1": m1, "m2": m2}, ["m1", "m2"], TIMES, PERIOD))
    assert isinstance(value, dict)
    assert {at: value[at] for at in m1} == m1
    assert value.keys() <= set(TIMES)


@given(st.one_of(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.text(max_size=30)), POINTS, POINTS)
def test_any_text_is_computed_or_refused(text: str, m1: dict[float, float], m2: dict[float, float]):
    with contextlib.suppress(AwsError):
        evaluate(parse(text), Scope({"m1": m1, "m2": m2}, ["m1", "m2"], TIMES, PERIOD))
