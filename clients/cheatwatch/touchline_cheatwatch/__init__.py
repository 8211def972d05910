"""cheatwatch reads the players' actions, judges them by rules, and writes verdicts that every edge enforces.

    cli ─► service ─► engine ─► rules        engine, rules: pure; they are handed actions, events and times
              │          └────► rooms, players, sanctions, types
              └─ sources: small Protocols, which kafka_sources implements

It builds on the protocol and the SDK's `touchline.actions`, and knows nothing of the server.
"""
