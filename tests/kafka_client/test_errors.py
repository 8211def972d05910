"""The classification of Kafka's errors: complete where we rely on it, and true to Kafka's own list."""

import os
import ssl
import subprocess
from pathlib import Path

import pytest
from aiokafka import errors as aiokafka_errors
from aiokafka.errors import BrokerResponseError, KafkaConnectionError, NodeNotReadyError

from touchline_kafka.access.login import LoginRefused
from touchline_kafka.error_codes import BY_CODE, MISSING_CODES, MOVED_CODES, Fault, Remedy, Scope
from touchline_kafka.errors import classify, describe, error_of, is_refusal, operator_error
from touchline_loadtest.rig.kafka.java import JARS, JVM
from touchline_protocol.errors import LogUnavailable, OperatorError

KAFKAS_OWN = """
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

public class Codes {
    public static void main(String[] arguments) {
        for (Errors one : Errors.values()) {
            System.out.println(one.code() + " " + one.name() + " " + (one.exception() instanceof RetriableException));
        }
    }
}
"""


def test_every_code_of_kafka_is_in_the_table_with_its_name_and_retriable(tmp_path: Path) -> None:
    source = tmp_path / "Codes.java"
    source.write_text(KAFKAS_OWN)
    classes = os.pathsep.join(str(jar) for jar in JARS.glob("*.jar"))
    done = subprocess.run(["java", *JVM, "-cp", classes, str(source)], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    kafkas = {int(code): (name, retriable == "true") for code, name, retriable in rows}
    assert kafkas.pop(0) == ("NONE", False)
    assert {code: (row.name, row.retriable) for code, row in BY_CODE.items()} == kafkas


def test_each_outage_is_retried_and_each_refusal_reaches_as_far_as_it_must() -> None:
    for row in BY_CODE.values():
        assert (row.remedy is Remedy.RETRY) == (row.fault is Fault.OUTAGE)
        assert (row.remedy is Remedy.REFUSE_RECORD) == (row.fault is Fault.REFUSAL and row.scope is Scope.RECORD)
        assert (row.remedy is Remedy.REFUSE_TOPIC) == (row.fault is Fault.REFUSAL and row.scope is Scope.TOPIC)
    assert {row.name for row in BY_CODE.values() if row.remedy is Remedy.REFUSE_RECORD} == {
        "MESSAGE_TOO_LARGE",
        "RECORD_LIST_TOO_LARGE",
        "INVALID_TIMESTAMP",
        "INVALID_RECORD",
    }


def test_every_moved_code_is_an_outage_of_one_topic() -> None:
    for code in MOVED_CODES:
        assert (BY_CODE[code].fault, BY_CODE[code].scope) == (Fault.OUTAGE, Scope.TOPIC)
    assert MISSING_CODES < MOVED_CODES


def test_every_row_has_a_meaning_that_can_stand_in_a_sentence() -> None:
    for row in BY_CODE.values():
        assert row.meaning[0].islower()
        assert row.meaning[-1] not in ".,:"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"])
def test_a_refused_login_is_described_by_its_mechanism(mechanism: str) -> None:
    refused = LoginRefused(mechanism, "no such key")
    assert refused.errno == error_of(58).errno
    assert ("password" in describe(refused)) == (mechanism != "GSSAPI")
    assert (mechanism in describe(refused)) == (mechanism != "PLAIN")
    assert describe(refused).endswith(": no such key")
    assert is_refusal(refused)
    assert "password" not in describe(error_of(58))


@pytest.mark.parametrize("code", [*sorted(BY_CODE), 9999])
def test_an_error_keeps_its_code(code: int) -> None:
    error = error_of(code)
    assert isinstance(error, BrokerResponseError)
    assert error.errno == code


@pytest.mark.parametrize(
    ("error", "fault", "scope"),
    [
        (aiokafka_errors.SaslAuthenticationFailed("Authentication failed"), Fault.REFUSAL, Scope.CLUSTER),
        (aiokafka_errors.GroupAuthorizationFailedError("g"), Fault.REFUSAL, Scope.GROUP),
        (aiokafka_errors.TopicAuthorizationFailedError("t"), Fault.REFUSAL, Scope.TOPIC),
        (aiokafka_errors.MessageSizeTooLargeError(), Fault.REFUSAL, Scope.RECORD),
        (error_of(100), Fault.OUTAGE, Scope.TOPIC),
        (error_of(9999), Fault.OUTAGE, Scope.CLUSTER),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), Fault.REFUSAL, Scope.CLUSTER),
        (aiokafka_errors.UnsupportedCodecError("the library is missing"), Fault.REFUSAL, Scope.TOPIC),
        (aiokafka_errors.IncompatibleBrokerVersion("too old"), Fault.REFUSAL, Scope.CLUSTER),
        (NotImplementedError(), Fault.REFUSAL, Scope.CLUSTER),
        (ConnectionRefusedError(111, "refused"), Fault.OUTAGE, Scope.CLUSTER),
        (TimeoutError(), Fault.OUTAGE, Scope.CLUSTER),
        (KafkaConnectionError(), Fault.OUTAGE, Scope.CLUSTER),
        (NodeNotReadyError(), Fault.OUTAGE, Scope.CLUSTER),
        (error_of(42), Fault.BUG, Scope.CLUSTER),
        (ZeroDivisionError(), Fault.BUG, Scope.CLUSTER),
    ],
)
def test_whose_fault_it_is_and_how_far_it_reaches(error: BaseException, fault: Fault, scope: Scope) -> None:
    classified = classify(error)
    assert (classified.fault, classified.scope) == (fault, scope)
    assert classified.text == describe(error) != ""
    assert "[Error" not in classified.text
    assert is_refusal(error) == (fault is Fault.REFUSAL)


def test_what_is_given_up_can_come_back_unless_it_was_refused() -> None:
    assert type(operator_error("it", error_of(29))) is OperatorError
    assert type(operator_error("it", error_of(5))) is LogUnavailable
