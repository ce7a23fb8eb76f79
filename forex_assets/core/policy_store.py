"""Reads the monitoring policy, `configs/policy.yaml`, which people write."""

from pathlib import Path

from forex_assets.core.policy import Policy
from forex_assets.core.validated_file import read_validated, yaml_fields


class PolicyError(Exception):
    """The policy cannot be used.

    The message names the file, the field, its value and what is allowed.
    """


def read_policy(path: Path) -> Policy:
    """Reads the policy; missing fields have their documented defaults.

    An empty file is refused: it is more often half a deployment than a decision for every default.

    Raises:
        PolicyError: no file, no YAML, or a field that is unknown, repeated or not allowed; one line a fault.
    """
    return read_validated(path, Policy, yaml_fields, PolicyError, "fields such as `decide_by: calibrated`")
