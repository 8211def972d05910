"""Lets pytest explain failed assertions of the shared contract, as it does those of test modules."""

import pytest

pytest.register_assert_rewrite("log.harness", "log.contract", "log.contract_shared")
