"""Tokens: who a client is and what it may do, checked with PyJWT and the operator's keys.

`verifier.make_verifier` is the way in. `signature` says whether a token was signed with one of our keys (`keys`), and
`claims` what it grants; both are pure. `jwks` and `rotation` keep keys fresh that are published elsewhere. `signing`
makes tokens, for development.

Rules: an algorithm is bound to a key and never taken from a token; checking waits for nothing; no message shows a
secret or a whole token.
"""
