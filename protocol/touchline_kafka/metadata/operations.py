"""What a user may do with a topic, as Kafka numbers it (`AclOperation`). Pure."""

from enum import IntEnum

ALL_OPERATIONS = -1
"""Every bit is set: the user may do everything."""
NOT_TOLD = -(1 << 31)
"""In place of the operations of a topic: the broker does not tell (KIP-430)."""


class Operation(IntEnum):
    """The operations that matter to us. Each is also the number of its bit in a topic's ``authorized_operations``."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10

    @property
    def word(self) -> str:
        """The operation in a sentence."""
        return self.name.lower().replace("_", " ")

    @property
    def kafka_name(self) -> str:
        """The operation as Kafka's tools name it: ``DescribeConfigs``."""
        return self.word.title().replace(" ", "")

    def is_in(self, bits: int) -> bool:
        """Whether a topic's ``authorized_operations`` have it."""
        return bool(bits & 1 << self)


def allowed(bits: int) -> frozenset[Operation] | None:
    """The operations in a topic's ``authorized_operations``; None if the broker does not tell."""
    return None if bits == NOT_TOLD else frozenset(operation for operation in Operation if operation.is_in(bits))
