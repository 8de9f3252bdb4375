"""F17 and F19, and what a recipe's layers make of each other."""

import json
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import RecipeError, UsageError
from audiossl.recipe.encoders import ResNet18Config
from audiossl.recipe.frontends import FonsecaConfig
from audiossl.recipe.load import (
    differences,
    dump_recipe,
    find_recipe,
    list_recipes,
    load_recipe,
    recipe_hash,
    recipe_schema,
)
from audiossl.recipe.schema import Recipe
from audiossl.recipe.training import LarsConfig
from audiossl.recipe.yaml import dump_yaml


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a recipe into the current folder, so that messages begin with its bare name."""
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return name

    return write


def refused(source, *overrides):
    with pytest.raises(RecipeError) as caught:
        load_recipe(source, overrides)
    return caught.value.problems


def test_an_empty_recipe_is_the_defaults(write):
    assert load_recipe(write("r.yaml", "")) == Recipe()


def test_a_recipe_states_only_what_differs(write):
    recipe = load_recipe(write("r.yaml", "frontend: {name: fonseca2021, hop: 110}\noptimiser: {lr: 1e-3}\nencoder:\n"))
    assert recipe == Recipe(
        frontend=FonsecaConfig(hop=110), optimiser=Recipe().optimiser.model_copy(update={"lr": 0.001})
    )


def test_three_faults_at_depth_three_come_in_file_order_with_their_lines(write):
    source = write(
        "typo.yaml",
        """\
        views:
          spectrogram:
            - name: normalise
            - name: gaussian_noise
              sdt: 0.1
              p: 1.5
        training:
          batch_size: many
        """,
    )
    assert refused(source) == [
        "typo.yaml:5: views.spectrogram.1.sdt: unknown key; did you mean std?",
        "typo.yaml:6: views.spectrogram.1.p: must be at most 1 or a list, not 1.5",
        'typo.yaml:8: training.batch_size: must be a whole number, not "many"',
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datta: {}", "datta: unknown key; did you mean data?"),
        ("data: {zzz: 1}", "data.zzz: unknown key; known here: manifest, root"),
        (
            "optimiser: {name: adamm}",
            "optimiser.name: unknown name adamm; did you mean adamw? (known: sgd, adamw, lars)",
        ),
        ("method: {name: simclr2}", "r.yaml:1: method.name: unknown name simclr2; did you mean simclr?"),
        ("method: {name: zzz}", "method.name: unknown name zzz (known: simclr, "),
        ("views: {spectrogram: [{p: 1}]}", "views.spectrogram.0: has no name; write name: and one of normalise"),
        ("optimiser: {lr: -2}", 'optimiser.lr: must be more than 0 or "auto", not -2'),
        ("optimiser: {lr: .nan}", 'optimiser.lr: must be a finite number or "auto", not NaN'),
        ("seed: -1", "seed: must be at least 0, not -1"),
        ("seed: 44.1", "seed: must be a whole number, not 44.1"),
        ("seed: 99999999999", "seed: must be less than 2.14748e+09, not 99999999999"),
        ("name: 3", "name: must be text (in quotes), not 3"),
        ("training: {precision: 16}", 'training.precision: must be "32", "bf16" or "auto", not 16'),
        ("training: {accelerator: cud}", "did you mean cuda?"),
        ("training: {threads: fast}", 'training.threads: must be a whole number or "auto", not "fast"'),
        ("training: {epochs: null}", "training: say how long to train: write epochs or steps"),
        ("frontend: {f_max: 9000}", "frontend: f_max 9000 Hz is above half the sample rate; write at most 8000"),
        ("optimiser: {decay_all: 7}", "optimiser.decay_all: must be true or false, not 7"),
        ("optimiser: {betas: [0.9]}", "optimiser.betas.1: is missing; write it"),
        ("data: {splits: train}", 'data.splits: must be a list, not "train"'),
        ('method: {head: "512 bm"}', 'method.head: must be like "512 bn relu 512", not "512 bm"'),
        ("encoder: resnet18", 'encoder: must be a section of its own keys, not "resnet18"'),
        ("embedding: [1]", "embedding: must be a section of its own keys, not [1]"),
    ],
)
def test_each_kind_of_fault_is_a_plain_sentence(write, text, message):
    (problem,) = refused(write("r.yaml", text))
    assert problem.startswith("r.yaml:1: ")
    assert message in problem
    assert "pydantic" not in problem


def test_checking_is_quick_and_imports_neither_torch_nor_numpy(write):
    source = write("r.yaml", "optimiser: {lrr: 1}")
    code = (
        "import sys, time, audiossl.recipe.auto\nfrom audiossl.recipe.load import load_recipe\n"
        f"try: load_recipe({source!r})\nexcept Exception as error: print(error)\n"
        "heavy = {'torch', 'numpy', 'lightning', 'librosa', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(bool(heavy) or time.process_time() > 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "r.yaml:1: optimiser.lrr: unknown key; did you mean lr?\n"


def test_extends_merges_sections_and_replaces_lists(write):
    write("base.yaml", "name: base\nseed: 3\ndata: {splits: [a, b], crop_s: 2}\n")
    recipe = load_recipe(write("r.yaml", "extends: base\nname: child\ndata: {splits: [c]}\n"))
    assert (recipe.name, recipe.seed, recipe.data.splits, recipe.data.crop_s) == ("child", 3, ["c"], 2.0)


def test_later_parents_win_and_a_shared_grandparent_counts_once(write):
    write("root.yaml", "seed: 1\ndescription: root\n")
    write("a.yaml", "extends: root\nseed: 2\n")
    write("b.yaml", "extends: root\nname: b\n")
    recipe = load_recipe(write("r.yaml", "extends: [a, ./b.yaml]\n"))
    assert (recipe.seed, recipe.name, recipe.description) == (2, "b", "root")


def test_another_name_drops_the_parents_fields(write):
    write("base.yaml", "optimiser: {lr: 0.5, betas: [0.1, 0.2]}\n")
    recipe = load_recipe(write("r.yaml", "extends: base\noptimiser: {name: lars, trust: 0.1}\n"))
    assert recipe.optimiser == LarsConfig(trust=0.1)


def test_the_recipes_own_name_drops_nothing(write):
    write("base.yaml", "name: base\nseed: 3\n")
    assert load_recipe(write("r.yaml", "extends: base\nname: other\n")).seed == 3


def test_a_fault_of_a_parent_points_into_the_parents_file(write):
    write("base.yaml", "seed: 0\noptimiser:\n  momentumm: 1\n  name: sgd\n")
    problems = refused(write("r.yaml", "extends: base\nname: x\nseed: -1\n"))
    assert problems == [
        "base.yaml:3: optimiser.momentumm: unknown key; did you mean momentum?",
        "r.yaml:3: seed: must be at least 0, not -1",
    ]


def test_a_circle_and_a_missing_parent_are_named_with_their_chain(write):
    write("a.yaml", "name: a\nextends: b\n")
    write("b.yaml", "extends: a.yaml\n")
    assert refused("a.yaml") == ["b.yaml:1: extends: goes in a circle (a.yaml -> b.yaml -> a.yaml); take one link out"]
    write("c.yaml", "extends: bb\n")
    assert refused("c.yaml") == ["c.yaml:1: extends: there is no recipe bb (c.yaml -> bb); did you mean b?"]
    write("d.yaml", "extends: {a: b}\n")
    assert refused("d.yaml") == ['d.yaml:1: extends: must be a recipe or a list of recipes, not {"a": "b"}']


def test_an_unknown_recipe_is_refused_with_a_near_one(write):
    write("birds.yaml", "")
    with pytest.raises(UsageError, match=r"no recipe brids; .*did you mean birds\?"):
        find_recipe("brids")
    with pytest.raises(UsageError, match="no recipe"):
        find_recipe("x" * 300)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimiser.lrr=1", "--set optimiser.lrr=1: unknown key; did you mean lr?"),
        ("training.batch_size", "--set training.batch_size: is not an assignment; write --set section.key=value"),
        ("=3", "--set =3: is not an assignment; write --set section.key=value"),
        ("seed=[", "--set seed=[: is not YAML"),
        ("seed=-1", "--set seed=-1: must be at least 0, not -1"),
        ("seed=!!python/object/apply:os.system [x]", "the tag"),
        ("views.spectrogram.9.p=1", "views.spectrogram.9: there is no item 9; the list has 5, counted from 0"),
        ("data={crop_ss: 3}", "--set data={crop_ss: 3}: data.crop_ss: unknown key; did you mean crop_s?"),
        ("optimiser={name: lars, lr: 0}", "optimiser.lr: must be more than 0"),
    ],
)
def test_a_wrong_flag_is_named(write, override, message):
    (problem,) = refused(write("r.yaml", ""), override)
    assert problem.startswith(f"--set {override}: ")
    assert message in problem


def test_a_section_told_by_a_flag_is_the_flags_not_the_files(write):
    (problem,) = refused(write("r.yaml", "optimiser:\n  lr: 0.1\n"), "optimiser={name: lars, lr: 0}")
    assert problem.startswith("--set optimiser={name: lars, lr: 0}: optimiser.lr: ")


def test_faults_of_file_and_flags_come_together(write):
    assert refused(write("r.yaml", "seed: 1\ndatta: 1"), "training.batch_size=1", "x") == [
        "r.yaml:2: datta: unknown key; did you mean data?",
        "--set training.batch_size=1: must be at least 2, not 1",
        "--set x: is not an assignment; write --set section.key=value",
    ]


def test_a_flag_reaches_into_a_list_and_flags_do_not_depend_on_their_order(write):
    source = write("r.yaml", "views: {spectrogram: [{name: normalise}, {name: gaussian_noise}]}")
    flags = ["views.spectrogram.1.p=0.5", "optimiser.lr=1e-3", "optimiser.name=lars"]
    recipe = load_recipe(source, flags)
    assert recipe.views.spectrogram[1].p == 0.5
    assert recipe.optimiser == LarsConfig(lr=0.001)
    assert load_recipe(source, flags[::-1]) == recipe


def test_the_precision_32_needs_no_quotes(write):
    assert load_recipe(write("r.yaml", "training: {precision: 32}")).training.precision == "32"
    assert load_recipe("audio/demo", ["training.precision=32"]).training.precision == "32"


edits = st.one_of(
    st.tuples(st.just("seed"), st.integers(-5, 2**33)),
    st.tuples(st.just("description"), st.text(st.characters(codec="utf-8"), max_size=20)),
    st.tuples(st.just("training.batch_size"), st.integers(-2, 10**6) | st.text("ab1", max_size=3)),
    st.tuples(st.just("data.crop_s"), st.floats(allow_nan=False, allow_infinity=False) | st.none()),
    st.tuples(st.just("optimiser.lr"), st.floats(0, 10) | st.just("auto")),
    st.tuples(st.just("optimiser.betas"), st.lists(st.floats(0, 1), max_size=3)),
    st.tuples(st.just("data.splits"), st.none() | st.lists(st.sampled_from(["no", "1e-3", "a b", ""]))),
    st.tuples(st.just("encoder"), st.just({"name": "resnet18"})),
    st.tuples(st.just("embedding.zzz"), st.booleans()),
)


def outcome(source, *overrides):
    """The recipe, or what is wrong with it without where it stands."""
    try:
        return load_recipe(source, overrides)
    except RecipeError as error:
        return [problem.rpartition(": ")[2] for problem in error.problems]


@settings(deadline=None, max_examples=30)
@given(edit=edits)
def test_a_flag_equals_the_same_edit_in_the_file(tmp_path_factory, edit):
    folder = tmp_path_factory.mktemp("set")
    (key, value), tree = edit, {"seed": 1, "optimiser": {"name": "adamw"}, "data": {"crop_s": 2.0}}
    (folder / "plain.yaml").write_text(dump_yaml(tree))
    section = tree
    *above, last = key.split(".")
    for part in above:
        section = section.setdefault(part, {})
    section[last] = value
    (folder / "edited.yaml").write_text(dump_yaml(tree), encoding="utf-8")
    assert outcome(folder / "plain.yaml", f"{key}={json.dumps(value)}") == outcome(folder / "edited.yaml")


recipes = st.builds(
    Recipe,
    name=st.text(st.characters(codec="utf-8"), max_size=12),
    description=st.sampled_from(["no", "1e-3", "null", "a: b", "# c", " x ", "\x85\n", "é\U0001f426"]),
    seed=st.integers(0, 2**31 - 1),
    encoder=st.sampled_from([Recipe().encoder, ResNet18Config()]),
    optimiser=st.builds(LarsConfig, lr=st.floats(1e-300, 1e300) | st.just("auto"), trust=st.floats(1e-9, 1)),
)


@settings(deadline=None, max_examples=30)
@given(recipe=recipes)
def test_a_dumped_recipe_loads_to_an_equal_one(tmp_path_factory, recipe):
    path = tmp_path_factory.mktemp("dump") / "recipe.yaml"
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    again = load_recipe(path)
    assert again == recipe
    assert recipe_hash(again) == recipe_hash(recipe)
    assert differences(again, recipe) == []


def test_differences_and_hash_tell_recipes_apart(write):
    base = load_recipe(write("r.yaml", ""))
    other = load_recipe("r.yaml", ["training.batch_size=64", "optimiser.name=lars", "views.spectrogram.0.p=0.5"])
    lines = differences(base, other)
    assert "training.batch_size: 128 here, 64 there" in lines
    assert 'optimiser.name: "adamw" here, "lars" there' in lines
    assert "optimiser.trust: absent here, 0.001 there" in lines
    assert "views.spectrogram.0.p: 1.0 here, 0.5 there" in lines
    assert recipe_hash(base) != recipe_hash(other)
    assert len(recipe_hash(base)) == 64


@pytest.mark.parametrize("shipped", list_recipes(), ids=lambda shipped: shipped.name)
def test_every_shipped_recipe_loads_by_its_name(shipped, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(shipped.name)
    assert recipe.name != "unnamed"
    assert recipe.description
    assert load_recipe(f"{shipped.name}.yaml") == load_recipe(shipped.path) == recipe


def test_shipped_recipes_are_found_listed_and_suggested(monkeypatch, tmp_path):
    (tmp_path / "recipes/audio").mkdir(parents=True)
    (tmp_path / "recipes/probe").mkdir()
    (tmp_path / "recipes/audio/small.yaml").write_text(
        "name: small\ndescription: A small one.\nextends: ../audio/base\n"
    )
    (tmp_path / "recipes/audio/base.yaml").write_text("seed: 5\n")
    (tmp_path / "recipes/probe/linear.yaml").write_text("a protocol: no recipe\n")
    monkeypatch.setattr("audiossl.files.shipped", lambda kind: tmp_path / kind)
    assert [(one.name, one.description) for one in list_recipes()] == [
        ("audio/base", ""),
        ("audio/small", "A small one."),
    ]
    assert load_recipe("audio/small").seed == 5
    with pytest.raises(UsageError, match=r"did you mean audio/small\?"):
        load_recipe("small")


def test_the_schema_describes_every_field_and_allows_extends():
    schema = recipe_schema()
    for kind in ("Recipe", "ImageRecipe"):
        assert schema["$defs"][kind]["additionalProperties"] is False
        assert "extends" in schema["$defs"][kind]["properties"]
    assert "$id" not in json.dumps(schema)
    batch = schema["$defs"]["DataConfig"]["properties"]["crop_s"]
    assert batch["description"].startswith("Length of a training crop")
