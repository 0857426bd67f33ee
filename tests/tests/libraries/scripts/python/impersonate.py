"""An ID token of another account, used on some URLs. The default credentials
may be of any kind that can impersonate.

usage: impersonate.py ACCOUNT AUDIENCE URL...
"""

import json
import sys

import google.auth
from google.auth import impersonated_credentials
from google.auth.transport.requests import AuthorizedSession, Request

account, audience, *urls = sys.argv[1:]
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
source, _ = google.auth.default(scopes=scopes)
impersonated = impersonated_credentials.Credentials(
    source_credentials=source, target_principal=account, target_scopes=scopes
)
credentials = impersonated_credentials.IDTokenCredentials(
    impersonated, target_audience=audience, include_email=True
)
credentials.refresh(Request())
statuses = [AuthorizedSession(credentials).get(url).status_code for url in urls]
print(json.dumps({"token": credentials.token, "statuses": statuses}))
