"""Lets pytest explain failed assertions in the shared contract as it does in test modules."""

import pytest

pytest.register_assert_rewrite("log.harness", "log.contract", "log.contract_shared")
