"""Fixtures of the deployment tests."""

from pathlib import Path

import pytest

from forex_assets_tests.deployment.deployment_worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
