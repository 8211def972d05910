"""The AsyncAPI document is valid, and agrees with the structs."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from websockets.datastructures import Headers
from websockets.http11 import Request

from touchline_protocol import messages
from touchline_protocol.codecs import BY_SUBPROTOCOL
from touchline_protocol.messages import Action, ClientMessage, Message, ServerMessage
from touchline_server.edge.requests import event_stream

PROTOCOL = Path(__file__).parents[2] / "protocol"
DOCUMENT: dict[str, Any] = yaml.safe_load((PROTOCOL / "asyncapi.yaml").read_text("utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
MESSAGES = DOCUMENT["components"]["messages"]
CHANNEL = DOCUMENT["channels"]["live"]
KINDS = {kind.__struct_config__.tag: kind for kind in (*get_args(ClientMessage), *get_args(ServerMessage))}
VECTORS = [json.loads(path.read_text("utf-8")) for path in sorted((PROTOCOL / "vectors").glob("message-*.json"))]


def tags(kinds: Any) -> set[str]:
    """The types of a union of messages."""
    return {kind.__struct_config__.tag for kind in get_args(kinds)}


def without_words(schema: Any) -> Any:
    """A schema without the parts that are only for people."""
    if isinstance(schema, dict):
        return {name: without_words(value) for name, value in schema.items() if name not in ("title", "description")}
    return [without_words(item) for item in schema] if isinstance(schema, list) else schema


def references(part: Any) -> Iterator[str]:
    """Every $ref in a part of the document."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolved(reference: str) -> Any:
    """The part of the document that a reference names."""
    assert reference.startswith("#/")
    part: Any = DOCUMENT
    for name in reference[2:].split("/"):
        part = part[name]
    return part


def described_by(kind: type) -> str:
    """The documentation of a struct, as the document writes it."""
    return " ".join((inspect.getdoc(kind) or "").replace("``", "`").replace("None", "null").split())


def validator(schema_name: str) -> Draft7Validator:
    """A validator for one of the document's schemas."""
    return Draft7Validator({"$ref": f"#/components/schemas/{schema_name}", "components": DOCUMENT["components"]})


def described(kind: type[Message]) -> type[msgspec.Struct]:
    """``kind`` as its JSON is: msgspec has no schema for `msgspec.Raw`."""
    if kind is not Action:
        return kind
    fields = [
        (field.name, Any, None) if field.type is msgspec.Raw else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(Action)
    ]
    required = [(name, type_) for name, type_, default in fields if default is msgspec.NODEFAULT]
    optional = [field for field in fields if field[2] is not msgspec.NODEFAULT]
    return msgspec.defstruct("Action", [*required, *optional], tag_field="type", tag="action")


def test_the_schemas_are_those_of_the_structs() -> None:
    kinds = [described(kind) for kind in KINDS.values()]
    _, ours = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    assert without_words(SCHEMAS) == without_words(ours)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid_and_described_by_its_struct(name: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["description"] == described_by(getattr(messages, name))


def test_every_message_is_summed_up_by_the_first_sentence_of_its_description() -> None:
    for tag, kind in KINDS.items():
        assert described_by(kind).startswith(MESSAGES[tag]["summary"])


def test_every_message_type_has_its_schema() -> None:
    assert {name: message["payload"]["$ref"] for name, message in MESSAGES.items()} == {
        tag: f"#/components/schemas/{kind.__name__}" for tag, kind in KINDS.items()
    }
    assert CHANNEL["messages"] == {tag: {"$ref": f"#/components/messages/{tag}"} for tag in KINDS}


def messages_of(operations: list[Any]) -> set[str]:
    """The types of the messages that the operations name."""
    return {reference["$ref"].rpartition("/")[2] for operation in operations for reference in operation["messages"]}


def test_the_server_receives_what_clients_send_and_sends_the_rest() -> None:
    operations = list(DOCUMENT["operations"].values())
    received = [operation for operation in operations if operation["action"] == "receive"]
    sent = [operation for operation in operations if operation["action"] == "send"]
    assert len(received) + len(sent) == len(operations)
    assert messages_of(received) == tags(ClientMessage)
    assert messages_of(sent) | messages_of([operation["reply"] for operation in received]) == tags(ServerMessage)


def test_operations_take_their_messages_from_their_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        for part in filter(None, (operation, operation.get("reply"))):
            channel = part["channel"]["$ref"]
            assert channel in ("#/channels/live", "#/channels/stream")
            assert all(message["$ref"].startswith(f"{channel}/messages/") for message in part["messages"])


def test_a_stream_carries_all_but_answers_to_messages() -> None:
    stream = DOCUMENT["channels"]["stream"]
    answers = {"welcome", "unsubscribed", "refreshed", "ack", "nack"}
    assert set(stream["messages"]) == tags(ServerMessage) - answers - {"beat"}
    assert messages_of([DOCUMENT["operations"]["watch"]]) == set(stream["messages"])
    assert event_stream.is_for_stream(Request(stream["address"].format(room="score:1"), Headers()))


def test_every_reference_can_be_resolved() -> None:
    found = list(references(DOCUMENT))
    assert found
    for reference in found:
        assert isinstance(resolved(reference), dict)


def test_the_document_has_the_parts_that_asyncapi_asks_for_and_no_others() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) <= {
        "asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"
    }  # fmt: skip
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert all({"host", "protocol"} <= set(server) for server in DOCUMENT["servers"].values())
    assert set(CHANNEL) <= {"address", "title", "summary", "description", "servers", "messages", "bindings"}
    assert CHANNEL["address"] == "/ws"
    headers = CHANNEL["bindings"]["ws"]["headers"]
    assert headers["properties"]["Sec-WebSocket-Protocol"]["enum"] == list(BY_SUBPROTOCOL)


@pytest.mark.parametrize("vectors", VECTORS, ids=lambda vectors: vectors["type"])
def test_every_vector_is_valid_by_its_schema(vectors: dict[str, Any]) -> None:
    schema = validator(KINDS[vectors["type"]].__name__)
    for vector in (*vectors["valid"], *vectors["read_as"]):
        schema.validate(vector["message"])


@pytest.mark.parametrize("tag", MESSAGES)
def test_the_examples_are_valid_by_their_schemas(tag: str) -> None:
    assert MESSAGES[tag]["examples"]
    for example in MESSAGES[tag]["examples"]:
        validator(KINDS[tag].__name__).validate(example["payload"])


def no_json(name: str) -> None:
    """Refuse NaN and the like, which Python reads and JSON does not have."""
    raise ValueError(name)


def test_the_schemas_refuse_wrong_fields() -> None:
    refused = 0
    for vectors in VECTORS:
        for vector in vectors["invalid"]:
            try:
                message = json.loads(vector.get("json", ""), parse_constant=no_json)
            except ValueError:
                continue  # not JSON at all, which no schema can say
            beyond_schemas = ("\\ud800", "1.0", '"prev":1}', '"prev":9}')  # see README.md
            if not any(mark in vector["json"] for mark in beyond_schemas):
                assert not validator(KINDS[vectors["type"]].__name__).is_valid(message), vector["about"]
                refused += 1
    assert refused > 20
