"""Shared by all tests: the import root of the helper packages and the hypothesis profile."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# Helpers are imported as ``oracle.…`` and ``vectors.…`` under every import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

# Derandomized: a red property test is red for everyone, and no example database is written.
settings.register_profile(
    "bondline",
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("bondline")
