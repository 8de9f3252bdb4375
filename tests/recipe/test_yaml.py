"""F18: what a YAML file may hold, and the line of everything that it may not."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import AudiosslError, DataError, RecipeError
from audiossl.recipe.yaml import dump_yaml, parse_yaml, read_yaml


def refused(text, **options):
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text, "r.yaml", **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E5", 100_000.0), ("-2.5e+1", -25.0), (".5", 0.5), ("1.", 1.0),
        ("010", 10), ("+3", 3), ("0x10", "0x10"), ("1_000", "1_000"),
        ("true", True), ("False", False), ("no", "no"), ("on", "on"), ("y", "y"),
        ("null", None), ("~", None), ("", None), ("'null'", "null"),
        ("2020-01-01", "2020-01-01"), ("12:30", "12:30"), (".inf", math.inf), ("-.INF", -math.inf),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text, value):
    read = parse_yaml(f"a: {text}", "r.yaml").value["a"]
    assert read == value
    assert type(read) is type(value)


def test_json_is_yaml():
    value = {"a": "\U0001f426 \t \u2028", "b": [1e-7, None, True]}
    assert parse_yaml(json.dumps(value), "r.json").value == value


def test_nan_is_a_float():
    assert math.isnan(parse_yaml("a: .nan", "r.yaml").value["a"])


def test_every_value_knows_its_line():
    document = parse_yaml("a: 1\nb:\n  # a comment\n  c:\n    - 2\n    - d: 3\n", "r.yaml")
    assert document.value == {"a": 1, "b": {"c": [2, {"d": 3}]}}
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 4,
        ("b", "c", 0): 5,
        ("b", "c", 1): 6,
        ("b", "c", 1, "d"): 6,
    }
    assert document.where("b", "c", 7, "x") == "r.yaml:4"


@pytest.mark.parametrize("text", ["", "\n\n# nothing\n", "---\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_empty_mapping(text):
    assert parse_yaml(text, "r.yaml").value == {}


def test_byte_order_mark_and_windows_line_ends_are_accepted():
    document = parse_yaml(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: 2\r\n", "r.yaml")
    assert document.value == {"a": 1, "b": {"c": 2}}
    assert document.lines[("b", "c")] == 3


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "duplicate key a, first on line 1"),
        ("a: &x 1", 1, "anchors and aliases"),
        ("a: 1\nb: *x", 2, "anchors and aliases"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']", 2, "tag"),
        ("a: !!str 1", 1, "tag"),
        ("a: ! b", 1, "tag"),
        ("a:\n\tb: 1", 2, "tab"),
        ("- 1\n- 2", 1, "top level"),
        ("just words", 1, "top level"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: 1\nb: [1, 2\nc: 3", 3, "is not YAML"),
        ("a: 1\n  b: 2", 2, "is not YAML"),
        ("a: 1\n? [b]\n: 2", 2, "a key is a list"),
        ("a: 1\nb: \x01", 2, "control character"),
        (b"a: 1\nb: \xff", 2, "UTF-8"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested deeper"),
        ("a: " + "1" * 5000, 1, "5000 digits"),
        ('a: "\\UFFFFFFFF"', 1, "escape"),
        ('a: 1\nb: "\\ud800"', 2, "half of a character"),
    ],
)
def test_what_is_no_plain_data_is_refused_with_its_line(text, line, words):
    message = refused(text)
    assert message.startswith(f"r.yaml:{line}: ")
    assert words in message


def test_all_duplicate_keys_are_named_at_once():
    assert refused("a: 1\na: 2\nb: {c: 1, c: 2}").count("duplicate key") == 2


def test_an_alias_bomb_is_refused_before_it_expands():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
    assert refused(bomb).startswith("r.yaml:1: anchors")


def test_a_python_tag_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    for tag in ("python/object/apply:os.system", "python/object/new:os.system"):
        refused(f'a: !!{tag} ["touch {marker}"]')
    assert not marker.exists()


def test_more_than_a_megabyte_is_refused(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_text("# " + "x" * 2_000_000)
    with pytest.raises(RecipeError, match=r"big\.yaml: is larger than 1 MB"):
        read_yaml(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(RecipeError, match="is not a file"):
            read_yaml(path)


def test_the_error_kind_is_the_callers(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("- a list")
    with pytest.raises(DataError, match="top level"):
        read_yaml(path, error=DataError)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text()
    | st.sampled_from(["1e-3", "no", "010", "null", "~", "", "true", ".inf", "2020-01-01", "<<", "=", "- a", "a: b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), plain, max_size=5))
def test_what_is_dumped_is_read_back(value):
    assert parse_yaml(dump_yaml(value), "r.yaml").value == value


@settings(deadline=None)
@given(
    st.text(alphabet="ab01 :-[]{},#&*!|>'\"%@`?\n\\Uux~.\t\r\x00\x85\u2028\ufeff", max_size=60) | st.binary(max_size=60)
)
def test_only_our_errors_escape(text):
    try:
        parse_yaml(text, "r.yaml")
    except AudiosslError as error:
        assert str(error).startswith("r.yaml")
