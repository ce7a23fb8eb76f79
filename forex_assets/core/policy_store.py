"""Reads the monitoring policy, `policy.yaml` of the configs, which people write."""

from typing import Final

from forex_assets.core.policy import Policy
from forex_assets.core.store.port import Store
from forex_assets.core.validated_file import read_validated, yaml_fields

POLICY_FILE: Final = "policy.yaml"


class PolicyError(Exception):
    """The policy cannot be used.

    The message names the file, the field, its value and what is allowed.
    """


def read_policy(files: Store, key: str = POLICY_FILE) -> Policy:
    """Reads the policy; missing fields have their documented defaults.

    An empty file is refused: it is more often half a deployment than a decision for every default.

    Args:
        files: where it lies.
        key: of the file.

    Raises:
        PolicyError: no file, no YAML, or a field that is unknown, repeated or not allowed; one line a fault.
    """
    return read_validated(files, key, Policy, yaml_fields, PolicyError, "fields such as `decide_by: calibrated`")
