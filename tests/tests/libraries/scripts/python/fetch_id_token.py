"""An ID token from wherever this program runs, used on some URLs.

usage: fetch_id_token.py AUDIENCE URL...
"""

import json
import sys

import google.auth.transport.requests
import google.oauth2.id_token
import requests

audience, *urls = sys.argv[1:]
request = google.auth.transport.requests.Request()
token = google.oauth2.id_token.fetch_id_token(request, audience)
headers = {"Authorization": f"Bearer {token}"}
statuses = [requests.get(url, headers=headers).status_code for url in urls]
print(json.dumps({"token": token, "statuses": statuses}))
