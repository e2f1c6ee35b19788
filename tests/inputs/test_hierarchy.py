"""Grouping factors: how they are asked for, their levels learned at fit, codes at predict."""

from __future__ import annotations

import pickle
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skhlm.inputs.columns import Columns, read_group_column
from skhlm.inputs.hierarchy import by_factor, learn_groups, parse_groups

FRAME = Columns(5, ("region", "country", "spend", "a/b", "industry"))
ARRAY = Columns(4)


@pytest.mark.parametrize(
    ("groups", "columns", "factors"),
    [
        (None, FRAME, []),
        ([], FRAME, []),
        ("country", FRAME, [("country",)]),
        (np.str_("country"), FRAME, [("country",)]),
        (np.int64(1), FRAME, [("country",)]),
        ([np.int8(-1)], ARRAY, [("3",)]),
        ("region/country", FRAME, [("region", "region/country")]),
        (("region", "country"), FRAME, [("region", "region/country")]),
        ((0, "country"), FRAME, [("region", "region/country")]),
        ("a/b", FRAME, [("a/b",)]),
        (("region", "a/b"), FRAME, [("region", "region/a/b")]),
        (1, FRAME, [("country",)]),
        (3, ARRAY, [("3",)]),
        (-1, ARRAY, [("3",)]),
        ((2, 3), ARRAY, [("2", "2/3")]),
        (["region/country", "industry"], FRAME, [("region", "region/country"), ("industry",)]),
        ([(0, 1), 2], ARRAY, [("0", "0/1"), ("2",)]),
        (["region/country", "country"], FRAME, [("region", "region/country"), ("country",)]),
    ],
)
def test_every_form_of_groups(groups, columns, factors):
    assert [hierarchy.factors for hierarchy in parse_groups(groups, columns)] == factors


@pytest.mark.parametrize(
    ("groups", "columns", "by_name"),
    [("country", FRAME, True), (1, FRAME, False), ((0, "country"), FRAME, True), (1, ARRAY, False)],
)
def test_whether_groups_were_given_by_name_is_remembered(groups, columns, by_name):
    assert [hierarchy.by_name for hierarchy in parse_groups(groups, columns)] == [by_name]


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (np.array(1), TypeError, r"name or its position, got array\(1\)"),
        (np.array(["region"]), TypeError, "groups: got a ndarray; the values"),
        ("contry", ValueError, r"no column 'contry' in X.*Did you mean 'country'\?"),
        ("region/contry", ValueError, r"no column 'contry'"),
        (9, ValueError, "no column 9 in X, which has 5 columns"),
        (["region", "region/country"], ValueError, "'region' is listed twice, in 'region' and in"),
        (["country", 1], ValueError, "'country' is listed twice"),
        (["a/b", "a/b"], ValueError, "'a/b' is listed twice"),
        (("region", "region"), ValueError, "'region/region' has the same column twice"),
        ((), ValueError, "empty tuple"),
        (2.5, TypeError, "got 2.5 of type float"),
        (True, TypeError, "got True of type bool"),
        ({"region": 1}, TypeError, "dict is not a hierarchy"),
        ([["region", "country"]], TypeError, "list is not a hierarchy.*a tuple is one hierarchy"),
        ([None], TypeError, "not a hierarchy"),
    ],
)
def test_groups_that_make_no_sense_name_value_and_remedy(groups, error, message):
    with pytest.raises(error, match=message):
        parse_groups(groups, FRAME)


def read(**columns):
    """Group columns by position, from lists of values by name."""
    return {
        j: read_group_column(name, np.array(values, dtype=object))
        for j, (name, values) in enumerate(columns.items())
    }


def learn(groups, **columns):
    return learn_groups(
        parse_groups(groups, Columns(len(columns), tuple(columns))), read(**columns)
    )


REGION = ["EMEA", "APAC", "EMEA", "APAC", "EMEA"]
COUNTRY = ["France", "Japan", "Spain", "France", "France"]


def test_levels_are_whole_paths_in_sorted_order():
    groups = learn("region/country", region=REGION, country=COUNTRY)
    assert groups.names == ("region", "region/country")
    assert groups.n_levels == (2, 4)
    assert groups.levels(0) == [("APAC",), ("EMEA",)]
    assert groups.levels(1) == [
        ("APAC", "France"),
        ("APAC", "Japan"),
        ("EMEA", "France"),
        ("EMEA", "Spain"),
    ]
    np.testing.assert_array_equal(groups.factors[1].parent, [0, 0, 1, 1])
    np.testing.assert_array_equal(
        groups.codes(read(region=REGION, country=COUNTRY), 5),
        [[1, 2], [0, 1], [1, 3], [0, 0], [1, 2]],
    )


def test_without_groups_there_is_nothing_to_learn():
    groups = learn_groups((), {})
    assert groups.names == groups.n_levels == ()
    assert groups.codes({}, 3).shape == groups.new_levels({}, groups.codes({}, 3)).shape == (3, 0)


@given(st.data())
def test_codes_point_to_the_rows_own_path_whatever_their_order(data):
    rows = data.draw(st.lists(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1, max_size=20))
    shuffled = data.draw(st.permutations(rows))
    a, b, c = zip(*shuffled, strict=True)
    groups = learn(["a/b/c", "c"], a=a, b=b, c=c)
    codes = groups.codes(read(a=a, b=b, c=c), len(rows))
    for g, path in enumerate([slice(0, 1), slice(0, 2), slice(0, 3), slice(2, 3)]):
        assert groups.levels(g) == sorted({row[path] for row in rows})
        assert [groups.levels(g)[code] for code in codes[:, g]] == [row[path] for row in shuffled]


def test_unseen_paths_keep_what_is_known_of_them():
    groups = learn("region/country", region=REGION, country=COUNTRY)
    new = read(
        region=["EMEA", "EMEA", "MENA", None, "APAC"], country=["Japan", "?", "?", "Japan", None]
    )
    np.testing.assert_array_equal(
        groups.codes(new, 5), [[1, -1], [1, -1], [-1, -1], [-1, -1], [0, -1]]
    )


def test_rows_of_an_unseen_path_share_a_new_level_and_missing_ones_do_not():
    groups = learn("region/country", region=REGION, country=COUNTRY)
    columns = read(
        region=["EMEA", "MENA", "APAC", "EMEA", None, None, "EMEA", "EMEA"],
        country=["Japan", "Egypt", "Japan", "Japan", "Japan", "Japan", None, None],
    )
    new = groups.new_levels(columns, groups.codes(columns, 8))
    np.testing.assert_array_equal(new[:, 0], [-1, 0, -1, -1, 1, 2, -1, -1])
    np.testing.assert_array_equal(new[:, 1], [0, 1, -1, 0, 2, 3, 4, 5])


@pytest.mark.parametrize("same", [[1, 2], [1.0, 2.0], [True, 2], [np.int8(1), np.float32(2)]])
def test_levels_match_by_value(same):
    groups = learn("g", g=[1, 2, 1])
    np.testing.assert_array_equal(groups.codes(read(g=same), 2), [[0], [1]])


@pytest.mark.parametrize(("seen", "new"), [(["1", "2"], ["1", 1]), ([1, 2, 3], [1, "2", "3"])])
def test_mixed_kinds_are_an_error_where_some_match(seen, new):
    groups = learn("g", g=seen)
    with pytest.raises(TypeError, match=r"'g' mixes kinds of labels: 1 is a number, '\d' a string"):
        groups.codes(read(g=new), len(new))


@pytest.mark.parametrize("types", [(float, np.float32), (np.float32, float)])
@pytest.mark.parametrize("other", [0.2, 0.5])  # 0.5 is the same in every precision
def test_a_label_in_another_precision_is_an_error(types, other):
    seen, new = (np.array([0.1, other], dtype=t).tolist() for t in types)
    groups = learn("g", g=seen)
    with pytest.raises(TypeError, match=r"'g' held the label 0.1.* holds 0.1.*another precision"):
        groups.codes(read(g=new), 2)
    np.testing.assert_array_equal(groups.codes(read(g=[7.7, 0.1000001]), 2), [[-1], [-1]])


@pytest.mark.parametrize("types", [(float, np.float16), (np.float16, float)])
def test_labels_that_are_all_in_half_precision_are_an_error(types):
    seen, new = (np.array([0.1, 0.2], dtype=t).tolist() for t in types)
    with pytest.raises(TypeError, match="another precision"):
        learn("g", g=seen).codes(read(g=new), 2)
    groups = learn("g", g=[0.5, 0.1])
    np.testing.assert_array_equal(groups.codes(read(g=[0.5001, 0.1]), 2), [[-1], [0]])


@pytest.mark.parametrize("value", [2.0**53, -(2.0**60), np.float64(1e300)])
def test_floats_that_stand_for_several_identifiers_are_an_error(value):
    groups = learn("g", g=[2**53, 2**53 + 1])
    with pytest.raises(TypeError, match=r"'g' holds .*too large to tell whole numbers apart"):
        groups.codes(read(g=[value, 1.0]), 2)
    np.testing.assert_array_equal(
        groups.codes(read(g=[2**53 + 1, Decimal(2**53 + 1), 2**53]), 3), [[1], [1], [0]]
    )


def test_a_column_that_changed_its_type_is_an_error_not_a_silent_mismatch():
    groups = learn("g", g=[1, 2, 3])
    with pytest.raises(
        TypeError, match=r"'g' held labels such as 1, a whole number.*holds '1', a string"
    ):
        groups.codes(read(g=["1", "2"]), 2)
    with pytest.raises(TypeError, match=r"1, a whole number, at fit and now holds 0.5, a fraction"):
        groups.codes(read(g=[0.5, 1.5]), 2)
    np.testing.assert_array_equal(groups.codes(read(g=[0.5, 1]), 2), [[-1], [0]])
    np.testing.assert_array_equal(learn("g", g=[0.5]).codes(read(g=[1]), 1), [[-1]])
    np.testing.assert_array_equal(groups.codes(read(g=[4, 5]), 2), [[-1], [-1]])
    np.testing.assert_array_equal(groups.codes(read(g=[None]), 1), [[-1]])


def test_mixed_kinds_at_fit_are_an_error_with_an_example_of_each():
    with pytest.raises(TypeError, match=r"'g' mixes kinds of labels: 1 is a number, '2' a string"):
        learn("g", g=[1, "2"])


@pytest.mark.parametrize("seen", [[1, 2], [0.5, 2]])
def test_a_text_that_is_no_number_is_a_new_level_among_numbers(seen):
    groups = learn("g", g=seen)
    columns = read(g=[2, "B7", "B7", "x"])
    codes = groups.codes(columns, 4)
    np.testing.assert_array_equal(codes, [[1], [-1], [-1], [-1]])
    np.testing.assert_array_equal(groups.new_levels(columns, codes), [[-1], [0], [0], [1]])
    for text in ("3", " 2", "1e5", "nan"):
        with pytest.raises(TypeError, match="'g' mixes kinds of labels: 2 is a number"):
            groups.codes(read(g=[2, text]), 2)


NAIVE = [pd.Timestamp("2020-06-01"), pd.Timestamp("2020-06-02")]
AWARE = [date.tz_localize("Europe/Berlin") for date in NAIVE]


def test_dates_with_and_without_a_time_zone_never_match():
    remedy = r"Give all of them a time zone, for example by tz_localize, or none"
    with pytest.raises(
        TypeError, match=rf"mixes .*: 2020-06-01 00:00:00 is a date, .*\+02:00 a.*zone\. {remedy}"
    ):
        learn("when", when=[NAIVE[0], AWARE[1]])
    for seen, new in [(NAIVE, AWARE), (AWARE, NAIVE)]:
        groups = learn("when", when=seen)
        with pytest.raises(TypeError, match=rf"'when' held .*, a date.*now holds .*{remedy}"):
            groups.codes(read(when=new), 2)
        with pytest.raises(TypeError, match=rf"'when' mixes kinds .*{remedy}"):
            groups.codes(read(when=[seen[0], new[0]]), 2)


def test_instants_match_in_any_zone():
    groups = learn("when", when=AWARE)
    elsewhere = [date.tz_convert("Asia/Tokyo").to_pydatetime() for date in AWARE]
    np.testing.assert_array_equal(groups.codes(read(when=elsewhere), 2), [[0], [1]])
    assert str(groups.levels(0)[0][0]) == "2020-06-01 00:00:00+02:00"


def test_missing_values_at_fit_are_counted_by_column():
    with pytest.raises(ValueError, match=r"'region': 1, 'country': 2.*Drop these rows, or fill in"):
        learn("region/country", region=["a", None, "a"], country=["b", np.nan, None])


def test_labels_that_no_row_has_are_not_learned():
    columns = read(g=["a", "b", "c"])
    columns[0] = columns[0].rows(np.array([True, False, True]))
    assert learn_groups(parse_groups("g", Columns(1, ("g",))), columns).levels(0) == [
        ("a",),
        ("c",),
    ]


def test_unseen_levels_can_be_an_error():
    groups = learn("region/country", region=REGION, country=COUNTRY)
    seen = read(region=REGION, country=COUNTRY)
    groups.check_seen(seen, groups.codes(seen, 5))
    unseen = read(region=["EMEA", "EMEA"], country=["Japan", None])
    message = r"'region/country': 2 row\(s\).*\('EMEA', 'Japan'\), \('EMEA', None\).*'population'"
    with pytest.raises(ValueError, match=message):
        groups.check_seen(unseen, groups.codes(unseen, 2))


def test_what_is_learned_is_small_and_pickles():
    many = [f"level {i % 1000}" for i in range(50_000)]
    groups = learn("g", g=many)
    stored = pickle.dumps(groups)
    assert len(stored) < 50_000
    restored = pickle.loads(stored)
    np.testing.assert_array_equal(
        restored.codes(read(g=many), 50_000), groups.codes(read(g=many), 50_000)
    )


def test_new_values_that_are_known_ones_spelt_otherwise_are_warned_of():
    groups = learn("region/country", region=REGION, country=COUNTRY)
    with pytest.warns(UserWarning) as caught:
        groups.warn_of_spellings(read(region=["emea", "APAC"], country=[" France", "Peru"]))
    (text,) = [str(warning.message) for warning in caught]
    assert "2 value(s)" in text
    assert "region: 'emea' for 'EMEA'; country: ' France' for 'France'" in text
    many = learn("country", country=[f"c{i}" for i in range(9)])
    with pytest.warns(UserWarning, match=r"^9 value\(s\).*'C4' for 'c4'; \.\.\."):
        many.warn_of_spellings(read(country=[f"C{i}" for i in range(9)]))


@pytest.mark.parametrize(
    ("seen", "new"),
    [
        (["a", "b"], ["c", "d", None]),
        (["a", "A", "b"], ["B", "a "]),  # where case tells values apart, it may do so again
        ([1, 2], [3, 4]),
        (["a", "b"], ["b", "a"]),
    ],
)
def test_other_new_values_are_none_to_warn_of(seen, new):
    groups = learn("country", country=seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        groups.warn_of_spellings(read(country=new))


def test_labels_of_fit_that_are_one_but_for_spelling_are_warned_of():
    decomposed = "Cafe\u0301"
    columns = read(country=["France", "france", " France", "Café", decomposed, "Peru"])
    groups = learn_groups(parse_groups("country", Columns(1, ("country",))), columns)
    with pytest.warns(UserWarning) as caught:
        groups.warn_of_twins(columns)
    (text,) = [str(warning.message) for warning in caught]
    assert text.startswith("3 label(s) of group columns differ from others by case, white space")
    assert "country: ' France' and 'France'; country: ' France' and 'france'" in text
    assert f"country: {decomposed!r} and 'Café'" in text
    assert groups.n_levels == (6,)


@pytest.mark.parametrize("labels", [["a", "b"], [1, 2], ["m2", "m²"], ["a b", "ab"]])
def test_other_labels_of_fit_are_none_to_warn_of(labels):
    groups = learn("country", country=labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        groups.warn_of_twins(read(country=labels))


def test_values_of_groups_are_not_their_names():
    series = pd.Series(REGION, name="region")
    with pytest.raises(TypeError, match="groups: got a Series; the values") as caught:
        parse_groups(series, FRAME)
    assert "EMEA" not in str(caught.value)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, {}),
        ({"industry": 1}, {"industry": 1}),
        ({"region/country": 1}, {"region": 1, "region/country": 1}),
        ({"region": 2, (0, 1): 1}, {"region": 2, "region/country": 1}),
        ({("region",): 2, 4: 3}, {"region": 2, "industry": 3}),
    ],
)
def test_a_hierarchy_speaks_for_its_factors_and_a_factor_for_itself(choices, expected):
    hierarchies = parse_groups(["region/country", "industry"], FRAME)
    assert by_factor(choices, FRAME, hierarchies, "columns") == expected


def test_factors_that_are_none_and_keys_that_say_the_same():
    hierarchies = parse_groups(["region/country", "industry"], FRAME)
    with pytest.raises(ValueError, match=r"columns: there is no .* 'regoin'.*'region'\?"):
        by_factor({"regoin": 1}, FRAME, hierarchies, "columns")
    with pytest.raises(ValueError, match="columns: 'region' and 0 name the same thing"):
        by_factor({"region": 1, 0: 1}, FRAME, hierarchies, "columns")
