"""Tokens: who a client is and what it may do, checked with PyJWT and the operator's keys.

Start with `verifier.make_verifier`. `signature` verifies that one of our keys (`keys`) signed a token, and `claims`
determines what it grants; both are pure. `jwks` and `rotation` keep keys fresh that are published elsewhere. `signing`
creates tokens for development.

Rules: the algorithm follows from the key, never from the token; verifying never waits; no message contains a secret or
a whole token.
"""
