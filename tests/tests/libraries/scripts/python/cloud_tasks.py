"""A task with a token for the service that it calls.

usage: cloud_tasks.py PROJECT ACCOUNT URL AUDIENCE [ADDRESS]

Without an address the client finds the API by its name and a proxy.
"""

import json
import sys

import grpc
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

project, account, url, audience, *address = sys.argv[1:]
if address:
    transport = CloudTasksGrpcTransport(channel=grpc.insecure_channel(address[0]))
    client = tasks_v2.CloudTasksClient(transport=transport)
else:
    client = tasks_v2.CloudTasksClient()
location = f"projects/{project}/locations/us-central1"
queue = client.queue_path(project, "us-central1", "orders")
client.create_queue(parent=location, queue=tasks_v2.Queue(name=queue))
task = client.create_task(
    parent=queue,
    task=tasks_v2.Task(
        http_request=tasks_v2.HttpRequest(
            http_method=tasks_v2.HttpMethod.POST,
            url=url,
            body=b"an order",
            oidc_token=tasks_v2.OidcToken(service_account_email=account, audience=audience),
        )
    ),
)
print(json.dumps({"queue": client.get_queue(name=queue).name, "task": task.name}))
