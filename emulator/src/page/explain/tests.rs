use super::*;
use crate::timeline::tests::call;

const ORIGIN: &str = "https://orders-1.us-central1.run.app";
const CALLER: &str = "gateway@p.iam.gserviceaccount.com";

fn known() -> Known {
    Known {
        audiences: vec![ORIGIN.into(), format!("{ORIGIN}/")],
        invokers: vec!["pusher@p.iam.gserviceaccount.com".into()],
        project_number: 1,
        ..Known::default()
    }
}

fn refusal(code: &'static str) -> Call {
    let mut call = call("us-central1", Verdict::Refused { status: 401, code });
    call.caller = Some(CALLER.into());
    call
}

fn explained(call: &Call, known: &Known) -> Explanation {
    explain(call, known).unwrap()
}

fn mismatch(audience: &str, known: &Known) -> Explanation {
    missed("aud_mismatch", audience, known)
}

fn missed(code: &'static str, audience: &str, known: &Known) -> Explanation {
    let mut call = refusal(code);
    call.audience = Some(audience.into());
    explained(&call, known)
}

#[test]
fn a_wrong_audience_stands_beside_the_region_s_own() {
    let it = mismatch("https://orders.example.com", &known());
    assert_eq!(it.summary, "the token was made for another audience");
    assert_eq!(it.expected, known().audiences);
    assert_eq!(it.received.as_deref(), Some("https://orders.example.com"));
    assert_eq!(
        it.command.unwrap(),
        "gcloud run services update orders --region=us-central1 \
         --add-custom-audiences=https://orders.example.com"
    );
}

#[test]
fn an_audience_of_another_region_is_told_as_such() {
    let elsewhere = Some(("orders".to_owned(), "europe-west1".to_owned()));
    let known = Known { audience_of: elsewhere, ..known() };
    let it = mismatch("https://orders-1.europe-west1.run.app", &known);
    assert!(it.summary.contains("orders in europe-west1"), "{}", it.summary);
    assert_eq!(it.command, None, "another region's URL is no custom audience");
}

#[test]
fn an_audience_with_a_path_or_of_iap_s_is_told_as_such() {
    for (code, audience, words) in [
        ("aud_has_path", format!("{ORIGIN}/push?a=b"), "bare origin"),
        ("aud_is_iap_client", "1-a.apps.googleusercontent.com".to_owned(), "IAP"),
        ("aud_no_scheme", "orders-1.us-central1.run.app".to_owned(), "https://"),
        ("aud_trailing_slash", "https://orders.example.com/".to_owned(), "slash"),
    ] {
        let it = missed(code, &audience, &known());
        assert!(it.advice.unwrap().contains(words), "{audience}");
        let reason = Reason::ALL.into_iter().find(|it| it.code() == code).unwrap();
        assert_eq!(it.summary, reason.summary());
        assert_eq!(it.command, None);
    }
}

#[test]
fn a_function_wants_its_whole_url() {
    let url = "https://us-central1-p.cloudfunctions.net/orders";
    let known = Known { audiences: vec![url.into()], is_function: true, ..known() };
    let it = mismatch("https://us-central1-p.cloudfunctions.net", &known);
    assert!(it.advice.unwrap().contains("path included"));
    let it = explained(&refusal("invoker_missing"), &known);
    assert_eq!(
        it.command.unwrap(),
        "gcloud functions add-iam-policy-binding orders --region=us-central1 \
         --member=serviceAccount:gateway@p.iam.gserviceaccount.com \
         --role=roles/cloudfunctions.invoker"
    );
}

#[test]
fn a_caller_without_the_role_gets_the_command_that_grants_it() {
    let it = explained(&refusal("invoker_missing"), &known());
    assert_eq!(it.expected, known().invokers);
    assert_eq!(it.received.as_deref(), Some(CALLER));
    assert_eq!(
        it.command.unwrap(),
        "gcloud run services add-iam-policy-binding orders --region=us-central1 \
         --member=serviceAccount:gateway@p.iam.gserviceaccount.com --role=roles/run.invoker"
    );
}

#[test]
fn people_are_users_and_values_from_outside_are_one_word_of_a_shell() {
    let mut call = refusal("invoker_missing");
    call.caller = Some("a$(reboot)@example.com".into());
    let command = explained(&call, &known()).command.unwrap();
    assert!(command.contains(" --member='user:a$(reboot)@example.com' "), "{command}");
}

#[test]
fn a_token_without_an_address_is_told_from_a_caller_without_the_role() {
    let mut call = refusal("invoker_missing");
    call.caller = Some("1042".into());
    let it = explained(&call, &known());
    assert!(it.advice.unwrap().contains("format=full"));
    assert_eq!((it.received.as_deref(), it.command), (Some("subject 1042"), None));
}

#[test]
fn restricted_ingress_says_where_from_and_where_to_come_from() {
    let mut call = refusal(Reason::IngressRefused.code());
    call.origin = Some(Origin::Internet);
    let known = Known { ingress: Ingress::InternalAndLoadBalancing, ..known() };
    let it = explained(&call, &known);
    assert!(it.summary.contains("internal-and-cloud-load-balancing"));
    assert_eq!(it.received.as_deref(), Some("the internet"));
    assert!(it.expected.contains(&"the load balancer".to_owned()));
    let it = explained(&call, &Known { ingress: Ingress::Internal, ..known });
    assert!(!it.expected.contains(&"the load balancer".to_owned()));
    assert!(it.advice.unwrap().contains("VPC"));
}

#[test]
fn a_sender_without_its_role_gets_the_command_that_grants_it() {
    let mut call = call("", Verdict::NotSent);
    call.part = Part::Sender(Agent::PubSub);
    call.caller = Some(CALLER.into());
    call.note = Some("sender_may_not_mint: …".into());
    assert_eq!(
        explained(&call, &known()).command.unwrap(),
        "gcloud iam service-accounts add-iam-policy-binding gateway@p.iam.gserviceaccount.com \
         --member=serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com \
         --role=roles/iam.serviceAccountTokenCreator"
    );
}

#[test]
fn iap_is_mended_at_the_backend_service() {
    let known = Known { audiences: vec!["c.apps.googleusercontent.com".into()], ..known() };
    let mut call = refusal("iap_access_missing");
    call.part = Part::Iap;
    let command = explained(&call, &known).command.unwrap();
    assert!(command.starts_with("gcloud iap web add-iam-policy-binding"), "{command}");
    call.verdict = Verdict::Refused { status: 401, code: "aud_mismatch" };
    assert_eq!(explained(&call, &known).expected, known.audiences);
}

#[test]
fn every_reason_is_explained_and_what_went_on_is_not() {
    for reason in Reason::ALL {
        let it = explained(&refusal(reason.code()), &known());
        assert!(!it.summary.is_empty() && it.advice.is_some(), "{reason:?}");
    }
    for verdict in [Verdict::Accepted, Verdict::Answered(204)] {
        assert_eq!(explain(&call("a", verdict), &known()), None);
    }
    for verdict in [Verdict::Failed, Verdict::NotSent, Verdict::Answered(503)] {
        assert!(!explained(&call("a", verdict), &known()).summary.is_empty());
    }
    let mut other = refusal("some_code");
    other.part = Part::Sts;
    assert_eq!(explained(&other, &known()).summary, "some code");
}
