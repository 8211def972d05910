"""cheatwatch: reads what players do, judges it by rules, and writes verdicts that every edge enforces.

    rules ─► engine ─► service ─► cli        engine, rules: pure, handed actions, events and times
    values, rooms, players, standings        service: Kafka's records in, verdicts out, behind small Protocols

It stands on the protocol and the SDK's `touchline.actions`, and knows nothing of the server.
"""
