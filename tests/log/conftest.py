"""Lets pytest explain failed assertions in the shared contract as it does in test modules."""

import pytest

pytest.register_assert_rewrite("log.contract", "log.contract_reading", "log.contract_topics", "log.contract_shared")
