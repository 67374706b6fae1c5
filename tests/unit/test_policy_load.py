"""Parsers of rule and policy files: the line of each mistake, and no surprise from any bytes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pratique.errors import ConfigError
from pratique.policy.documents import PolicyShape, RuleShape, read_shape
from pratique.policy.load import load_toml, load_yaml

POLICY = b"""# a comment with [[allow]] in it
profile = "strict"
[env]
strip = ["A", # ]
  "B"]
[[allow]]
package = "pkg:npm/x"
reason = '''
package = 1
[[allow]]
'''
[[allow]]
package = "pkg:npm/y"
reason = "why"
conect = ["a.example.org:443"]
"""


def test_toml_lines() -> None:
    """Keys are found where they stand, past comments, arrays and strings that look like keys."""
    lines = load_toml("p.toml", POLICY).lines

    assert lines[("profile",)] == 2
    assert lines[("env", "strip")] == 4
    assert lines[("allow", 0, "reason")] == 8
    assert lines[("allow", 1)] == 12
    assert lines[("allow", 1, "conect")] == 15


def test_unknown_key_names_line_table_and_neighbour() -> None:
    """The message of UX: file, line, key, table, and what was perhaps meant."""
    with pytest.raises(ConfigError) as caught:
        read_shape(PolicyShape, load_toml("p.toml", POLICY))

    assert str(caught.value) == 'p.toml:15: unknown key "conect" in [[allow]]; did you mean "connect"?'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profile = 1", 'p.toml:1: "profile": should be a valid string'),
        (
            '\nprofile = "strikt"',
            'p.toml:2: "profile": "strikt" is none of observe, standard, strict; did you mean "strict"?',
        ),
        ("x = ", "p.toml:1: Invalid value"),
        ("a = 1\na = 2", "p.toml:2: Cannot overwrite a value"),
        ('[[allow]]\nreason = "r"', 'p.toml:1: "package" is missing in [[allow]]'),
        ('[[allow]]\nreason = "r"\npackage = "x"', "p.toml:3: \"package\": 'x' is no package URL"),
        (
            '[[allow]]\nreason="r"\npackage="pkg:npm/x"\nconnect=["host"]',
            "p.toml:4: \"connect\": 'host' needs a port",
        ),
        ('[[allow]]\nreason="r"\npackage="pkg:npm/x"\nread=["a"]', 'p.toml:4: "read": "a" must begin with /'),
        ('[[allow]]\nreason="r"\npackage="pkg:npm/x"\nread=["/**"]', 'p.toml:4: "read": "/**" has an empty'),
        (
            '[[allow]]\nreason="r"\npackage="pkg:npm/x"\nexpires="soon"',
            'p.toml:4: "expires": should be a valid date',
        ),
        ("[env]\nstripe = []", 'p.toml:2: unknown key "stripe" in [env]; did you mean "strip"?'),
    ],
)
def test_mistakes_in_policy_files(text: str, message: str) -> None:
    """Each mistake is one sentence at its line."""
    with pytest.raises(ConfigError) as caught:
        read_shape(PolicyShape, load_toml("p.toml", text.encode()))

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", 'r.yaml:2: "a" is given twice'),
        ("a: &x 1", "r.yaml:1: anchors and aliases"),
        ("a: !!python/object:os.system x", "r.yaml:1: tags are not used"),
        ("- a", "r.yaml:1: must hold exactly one mapping"),
        ("a: 1\n---\nb: 1", "r.yaml:1: must hold exactly one mapping"),
        ("a: [1", "r.yaml:"),
        ("{[a]: 1}", "r.yaml:1: a key must be text"),
        ("a: " + "[" * 500, "r.yaml:1: is nested too deeply"),
        ("a: " + "[" * 5000, "r.yaml:1: "),  # libyaml may say so first
    ],
)
def test_mistakes_in_yaml(text: str, message: str) -> None:
    """YAML outside the strict subset is refused with its line."""
    with pytest.raises(ConfigError) as caught:
        load_yaml("r.yaml", text.encode())

    assert str(caught.value).startswith(message)


def test_yaml_scalars_mean_what_they_look_like() -> None:
    """Only true, false, null and numbers are no text: `no`, `on`, dates and versions stay as written."""
    data = load_yaml(
        "r.yaml", b"a: [no, on, 1.2.3, 2027-01-01, 0x10, 1e3, 12, 1.5, true, ~, '12', 1:30]"
    ).data

    assert data["a"] == ["no", "on", "1.2.3", "2027-01-01", "0x10", "1e3", 12, 1.5, True, None, "12", "1:30"]


@given(
    st.one_of(
        st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
)
@example(b"a = " + b"[" * 3000)
@example(b"a = " + b"9" * 6000)
@example(b"[allow]\n")
@example(b"allow = 1\n")
@example(b"[[allow]]\n[allow.x]\n")
@example(b"a = 9999-99-99\n")
def test_any_bytes_are_a_policy_or_a_mistake(data: bytes) -> None:
    """Whatever a project file holds, the answer is a policy or a ConfigError with its place."""
    try:
        read_shape(PolicyShape, load_toml("p.toml", data))
    except ConfigError as error:
        place = error.what
    else:
        place = "p.toml:"
    assert place.startswith("p.toml:")


@given(
    st.one_of(
        st.binary(max_size=400), st.text(alphabet="a-:[]{}&*!|>'\"\n #?%@,\t1", max_size=120).map(str.encode)
    )
)
@example(b"a: " + b"9" * 6000)
@example(b"\x00")
@example(b"%YAML 3.0\n---\na: 1")
def test_any_bytes_are_a_rule_or_a_mistake(data: bytes) -> None:
    """Whatever a rule file holds, the answer is a rule or a ConfigError with its place."""
    try:
        read_shape(RuleShape, load_yaml("r.yaml", data))
    except ConfigError as error:
        place = error.what
    else:
        place = "r.yaml:"
    assert place.startswith("r.yaml:")


_WORDS = st.sampled_from(
    ["allow", "deny", "block", "group", "env", "package", "reason", "strip", "read", "profile", "x"]
)
_VALUES = st.recursive(
    st.sampled_from(['"s"', "1", "true", "2027-01-01", '"pkg:npm/x"', "1.5"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
)
_LINES = st.one_of(
    _WORDS.map(lambda word: f"[[{word}]]"),
    _WORDS.map(lambda word: f"[{word}]"),
    st.tuples(_WORDS, _VALUES).map(" = ".join),
)


@given(st.lists(_LINES, max_size=8))
def test_shaped_policies_never_surprise(lines: list[str]) -> None:
    """Files built of the right words in the wrong places end in a ConfigError that points into the file."""
    text = "\n".join(lines)
    try:
        read_shape(PolicyShape, load_toml("p.toml", text.encode()))
    except ConfigError as error:
        line = int(error.what.split(":")[1])
        assert 1 <= line <= max(1, len(lines))
