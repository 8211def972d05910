"""Tokens for Amazon MSK with IAM: a token provider on top of AWS's own signer.

Needs ``aws-msk-iam-sasl-signer-python``, which you install beside Touchline: it brings boto3, which finds the
credentials (environment, profile, role of the machine, the task or the pod) and renews them.
"""

import os
from importlib import import_module

from .tokens import Token, TokenRefused

SIGNER = "aws_msk_iam_sasl_signer"
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


class MskIam:
    """Signs tokens with the credentials that boto3 finds, for the region in one of `REGIONS`."""

    def __call__(self) -> Token:
        """Sign a token. Blocks, where boto3 has to ask for credentials.

        Raises:
            TokenRefused: the signer is not installed, or the region is not set.
            Exception: boto3 found no credentials.
        """
        region = next((os.environ[name] for name in REGIONS if os.environ.get(name)), None)
        if region is None:
            raise TokenRefused(f"set {REGIONS[0]} to the region of the cluster")
        try:
            signer = import_module(SIGNER).MSKAuthTokenProvider
        except ImportError as error:
            raise TokenRefused("install aws-msk-iam-sasl-signer-python") from error
        value, expires_ms = signer.generate_auth_token(region)
        return Token(value, expires_ms / 1000, "AWS IAM")
