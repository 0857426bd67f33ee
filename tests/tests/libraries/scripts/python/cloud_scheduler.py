"""A job with a token for the service that it calls, run at once.

usage: cloud_scheduler.py PROJECT ACCOUNT URL AUDIENCE [ADDRESS]

Without an address the client finds the API by its name and a proxy.
"""

import json
import sys

import grpc
from google.cloud import scheduler_v1
from google.cloud.scheduler_v1.services.cloud_scheduler.transports import (
    CloudSchedulerGrpcTransport,
)

project, account, url, audience, *address = sys.argv[1:]
if address:
    transport = CloudSchedulerGrpcTransport(channel=grpc.insecure_channel(address[0]))
    client = scheduler_v1.CloudSchedulerClient(transport=transport)
else:
    client = scheduler_v1.CloudSchedulerClient()
location = f"projects/{project}/locations/us-central1"
job = client.create_job(
    parent=location,
    job=scheduler_v1.Job(
        name=f"{location}/jobs/orders",
        schedule="0 0 1 1 *",
        time_zone="Etc/UTC",
        http_target=scheduler_v1.HttpTarget(
            uri=url,
            http_method=scheduler_v1.HttpMethod.POST,
            oidc_token=scheduler_v1.OidcToken(service_account_email=account, audience=audience),
        ),
    ),
)
client.run_job(name=job.name)
print(json.dumps({"job": job.name, "state": client.get_job(name=job.name).state.name}))
