"""Tasks with the method PUT and a token for the default audience, the task's
whole URL.

usage: create_tasks.py ADDRESS ACCOUNT (QUEUE URL)...
"""

import json
import sys

import grpc
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

address, account, *targets = sys.argv[1:]
transport = CloudTasksGrpcTransport(channel=grpc.insecure_channel(address))
client = tasks_v2.CloudTasksClient(transport=transport)


def create(queue, url):
    request = tasks_v2.HttpRequest(
        http_method=tasks_v2.HttpMethod.PUT,
        url=url,
        headers={"Content-Type": "text/plain", "X-Order": "7"},
        body=b"an order",
        oidc_token=tasks_v2.OidcToken(service_account_email=account),
    )
    return client.create_task(parent=queue, task=tasks_v2.Task(http_request=request)).name


print(json.dumps([create(*target) for target in zip(targets[::2], targets[1::2])]))
