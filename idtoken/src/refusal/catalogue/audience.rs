//! Of whom the token is for.

use super::{CUSTOM_AUDIENCES, Entry, SENDER_AUDIENCES, SET_THE_AUDIENCE};
use crate::refusal::reason::Answer;

pub(super) const AUDIENCE_MISMATCH: Entry = Entry {
    code: "aud_mismatch",
    summary: "the token was made for another audience",
    meaning: "The token is genuine, and meant for somebody else.",
    causes: &[
        "the sender's audience is that of another service",
        "the audience differs in upper and lower case, or in the scheme",
        "of a region's front end (401): the gateway mints for an audience that is neither the \
         service's URL nor one of its custom audiences there",
        "somebody replays a token that was meant for them",
    ],
    advice: SET_THE_AUDIENCE,
    terraform: CUSTOM_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_OTHER_REGION: Entry = Entry {
    code: "aud_other_region",
    summary: "the token was made for the same service in another region",
    meaning: "Cloud Run takes only the URL of the region that is called. A sender behind \
              a load balancer can't know which region that will be.",
    causes: &[
        "the sender's audience is the URL of one region, and the rule lists others",
        "a new region was not added to the rule",
    ],
    advice: "add that region's URL to the rule, or give all regions one custom audience",
    terraform: CUSTOM_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_HAS_PATH: Entry = Entry {
    code: "aud_has_path",
    summary: "the token's audience has a path behind an accepted audience",
    meaning: "Audiences are compared as texts. Senders that are told no audience take the \
              whole URL that they call, path and query included.",
    causes: &[
        "Pub/Sub, Cloud Tasks, Cloud Scheduler or an Eventarc pipeline was told no audience",
        "the audience was copied from the address of the endpoint",
    ],
    advice: "set the sender's audience without the path, or say \"audience_match: origin\" in \
             the rule",
    terraform: SENDER_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_TRAILING_SLASH: Entry = Entry {
    code: "aud_trailing_slash",
    summary: "the token's audience differs from an accepted one by the slash at its end",
    meaning: "Audiences are compared as texts, and a slash is a letter.",
    causes: &["a URL that was copied from a browser or joined by a program"],
    advice: "remove or add the slash in the sender's audience, or say \"audience_match: \
             ignore_trailing_slash\" in the rule",
    terraform: SENDER_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_IS_LOAD_BALANCER: Entry = Entry {
    code: "aud_is_load_balancer",
    summary: "the token's audience is the address that was called, which is not accepted",
    meaning: "The sender made its token for the load balancer's own name. Cloud Run behind \
              it takes that name only as a custom audience.",
    causes: &[
        "the sender's default audience: the URL that it calls",
        "the rule lists the regions' URLs alone",
    ],
    advice: "add the load balancer's address to the rule's audiences, or set the sender's \
             audience to an accepted one",
    terraform: CUSTOM_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_IS_IAP_CLIENT: Entry = Entry {
    code: "aud_is_iap_client",
    summary: "the token's audience is an OAuth client ID",
    meaning: "Such a token is for IAP or for the application of that client.",
    causes: &[
        "the sender is set up for a way through IAP, and calls this one",
        "a token of a person who signed in to an application",
    ],
    advice: "set the sender's audience to an accepted one; behind IAP verify its assertion \
             instead (issuer iap)",
    terraform: SENDER_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_IS_GCLOUD_CLIENT: Entry = Entry {
    code: "aud_is_gcloud_client",
    summary: "the token is one of a person's gcloud",
    meaning: "`gcloud auth print-identity-token` gives people tokens whose audience is \
              gcloud itself. Cloud Run makes an exception for them, nobody else does.",
    causes: &["somebody tries a call by hand"],
    advice: "let gcloud impersonate a service account, whose tokens can have an audience (it \
             takes roles/iam.serviceAccountTokenCreator on that account)",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_NO_SCHEME: Entry = Entry {
    code: "aud_no_scheme",
    summary: "the token's audience lacks the https:// of an accepted one",
    meaning: "Audiences are compared as texts: a host alone is not its URL.",
    causes: &["the host was given as the audience"],
    advice: "write https:// before the sender's audience",
    terraform: SENDER_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_HAS_PORT: Entry = Entry {
    code: "aud_has_port",
    summary: "the token's audience has a port behind an accepted one",
    meaning: "Audiences are compared as texts, also where the port is the usual one.",
    causes: &["the audience was made from the address of a connection"],
    advice: "remove the port from the sender's audience",
    terraform: SENDER_AUDIENCES,
    answer: Answer::InvalidToken,
};

pub(super) const AUDIENCE_INVENTED_HOST: Entry = Entry {
    code: "aud_invented_host",
    summary: "the token's audience is a run.app host that Cloud Run gives nobody",
    meaning: "Services have https://SERVICE-NUMBER.REGION.run.app and \
              https://SERVICE-HASH-RC.a.run.app, and no other name there.",
    causes: &[
        "a name was made up, such as internal-SERVICE.REGION.run.app",
        "the number or the region was left out",
    ],
    advice: "set the sender's audience to one that the rule takes; `gcloud run services describe` \
             shows the URLs that a service really has",
    terraform: &[
        "google_pubsub_subscription: push_config.oidc_token.audience",
        "google_cloud_run_v2_service: uri, urls",
    ],
    answer: Answer::InvalidToken,
};
