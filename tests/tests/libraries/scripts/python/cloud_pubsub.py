"""A push subscription whose tokens are first for another service, and then for
the one that gets the message.

usage: cloud_pubsub.py PROJECT ACCOUNT ENDPOINT WRONG_AUDIENCE AUDIENCE

The clients find the API by PUBSUB_EMULATOR_HOST, or by its name and a proxy.
"""

import json
import sys

from google.cloud import pubsub_v1
from google.pubsub_v1.types import PushConfig

project, account, endpoint, wrong_audience, audience = sys.argv[1:]
publisher = pubsub_v1.PublisherClient()
subscriber = pubsub_v1.SubscriberClient()
topic = publisher.topic_path(project, "orders")
subscription = subscriber.subscription_path(project, "orders-push")


def push(audience):
    token = PushConfig.OidcToken(service_account_email=account, audience=audience)
    return PushConfig(push_endpoint=endpoint, oidc_token=token)


publisher.create_topic(name=topic)
created = subscriber.create_subscription(
    request={"name": subscription, "topic": topic, "push_config": push(wrong_audience)}
)
message = publisher.publish(topic, b"an order", kind="test").result(timeout=20)
subscriber.modify_push_config(subscription=subscription, push_config=push(audience))
modified = subscriber.get_subscription(subscription=subscription)
print(
    json.dumps(
        {
            "created": created.push_config.oidc_token.audience,
            "modified": modified.push_config.oidc_token.audience,
            "message": message,
        }
    )
)
