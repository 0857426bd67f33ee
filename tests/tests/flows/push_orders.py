"""A topic with a push subscription, which is modified once, and a message.

Google's client finds the emulator by PUBSUB_EMULATOR_HOST.

usage: push_orders.py PROJECT ENDPOINT ACCOUNT AUDIENCE
"""

import sys

from google.cloud import pubsub_v1

project, endpoint, account, audience = sys.argv[1:]
publisher = pubsub_v1.PublisherClient()
subscriber = pubsub_v1.SubscriberClient()
topic = publisher.topic_path(project, "orders")
subscription = subscriber.subscription_path(project, "orders-push")


def pushing_for(audience):
    token = {"service_account_email": account, "audience": audience}
    return {"push_endpoint": endpoint, "oidc_token": token}


publisher.create_topic(name=topic)
subscriber.create_subscription(
    request={"name": subscription, "topic": topic, "push_config": pushing_for("elsewhere")}
)
subscriber.modify_push_config(subscription=subscription, push_config=pushing_for(audience))
print(publisher.publish(topic, b"an order", kind="test").result(timeout=20))
