"""Verifies ID tokens and an IAP assertion with the certificates that Google
publishes: the claims, or the kind and words of the refusal.

stdin: [{"kind": "id_token" | "iap", "token", "audience", "certs_url"?}]
"""

import json
import sys

from google.auth.transport.requests import Request
from google.oauth2 import id_token

IAP_CERTS = "https://www.gstatic.com/iap/verify/public_key"


def verify(case):
    token, audience = case["token"], case["audience"]
    if case["kind"] == "iap":
        return id_token.verify_token(token, Request(), audience, certs_url=IAP_CERTS)
    if "certs_url" in case:
        return id_token.verify_token(token, Request(), audience, certs_url=case["certs_url"])
    return id_token.verify_oauth2_token(token, Request(), audience)


def result(case):
    try:
        return {"claims": verify(case)}
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}


print(json.dumps([result(case) for case in json.load(sys.stdin)]))
