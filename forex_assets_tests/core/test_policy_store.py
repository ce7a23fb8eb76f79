"""The policy on disk: the repository's own is the documented one, and a broken one is explained in one line a fault."""

import re
from pathlib import Path

import pytest
import yaml

from forex_assets.core.policy import Policy
from forex_assets.core.policy_store import PolicyError
from forex_assets.core.policy_store import read_policy as read_policy_of
from forex_assets.core.store.folder import Folder

OWN = Path(__file__).parents[2] / "configs" / "policy.yaml"


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def read_policy(path: Path) -> Policy:
    return read_policy_of(Folder(path.parent), path.name)


def test_the_repositorys_own_policy_writes_down_every_default() -> None:
    assert read_policy(OWN) == Policy()
    assert yaml.safe_load(OWN.read_text(encoding="utf-8")) == Policy().model_dump()


def test_every_field_of_the_repositorys_own_policy_is_explained_above_it() -> None:
    paragraph_is_explained = False
    for line in OWN.read_text(encoding="utf-8").splitlines():
        if not line.strip():
            paragraph_is_explained = False
        elif line.strip().startswith("#"):
            paragraph_is_explained = True
        else:
            assert paragraph_is_explained, f"{line!r} has no comment"


def test_what_is_written_is_read_and_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    policy = read_policy(policy_file(tmp_path, "decide_by: literal\ndrift:\n  looks: 5\n  psi: 1\n"))
    assert policy.decide_by == "literal"
    assert (policy.drift.looks, policy.drift.psi, policy.drift.history_sessions) == (5, 1.0, 1260)
    assert policy.degradation == Policy().degradation


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "age_day: 14",
            "age_day is no setting; there are decide_by, false_alarms_per_year, degradation, drift, age",
        ),
        ("drift:\n  psi_bin: 5", "drift.psi_bin is no setting; there are recent_sessions, reference_sessions, p_value"),
        ("cooldown_days: -1", "cooldown_days is -1: it should be greater than or equal to 0"),
        ("cooldown_days: 3.5", "cooldown_days is 3.5: it should be a valid integer"),
        ('age_days: "14"', 'age_days is "14": it should be a valid integer'),
        ("age_days:", "age_days is null: it should be a valid integer"),
        ("false_alarms_per_year: .nan", "false_alarms_per_year is NaN: it should be a finite number"),
        ("false_alarms_per_year: true", "false_alarms_per_year is true: it should be a valid number"),
        (
            "search:\n  method: halving",
            "search.method: halving was removed: it saved too little; use grid (every candidate), random (a part) or",
        ),
        ("decide_by: both", "decide_by is \"both\": it should be 'calibrated' or 'literal'"),
        ("drift:\n  act_from: none", "drift.act_from is \"none\": it should be 'LOW', 'MEDIUM' or 'HIGH'"),
        ("drift:", "drift is null: it should be a valid dictionary"),
        ("drift:\n  psi_bins: 9", "drift: psi_bins 9 must be at most 5 with recent_sessions 30"),
        ("false_alarms_per_year: 0.01", "drift.history_sessions 1260 must be at least 26072"),
        ("1: 2", "1 is no setting"),
    ],
)
def test_a_fault_names_file_field_value_and_what_is_allowed(tmp_path: Path, text: str, words: str) -> None:
    path = policy_file(tmp_path, text)
    with pytest.raises(PolicyError) as caught:
        read_policy(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message


def test_every_fault_has_a_line_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(policy_file(tmp_path, "age_days: 0\nextra: 1\ndegradation:\n  min_errors: 1\n"))
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds nothing"),
        ("- age_days", "holds a list"),
        ("age_days: [1", "no valid YAML at line 1"),
        ("age_days: 14\nage_days: 15", "no valid YAML at line 2, column 1: field 'age_days' stands twice"),
        ("drift:\n  looks: 5\n  looks: 6", "no valid YAML at line 3, column 3: field 'looks' stands twice"),
        ("age_days: !!python/object/apply:os.getpid []", "no valid YAML at line 1"),
        ("drift: &me\n  looks: *me", "no valid YAML at line 1, column 8: an alias of a group"),
        ("drift: &me [*me]", "no valid YAML at line 1, column 8: an alias of a group"),
        ("drift: &me {p: 1}\ndegradation: *me", "no valid YAML at line 1, column 8: an alias of a group"),
    ],
)
def test_a_file_that_holds_no_fields_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=r"policy\.yaml: ") as caught:
        read_policy(policy_file(tmp_path, text))
    assert words in str(caught.value)


def test_a_missing_file_says_which_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    with pytest.raises(PolicyError, match=re.escape(f"{path}: there is no such file; restore it from git")):
        read_policy(path)


def test_bytes_that_are_no_text_are_explained(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy(tmp_path / "policy.yaml")
