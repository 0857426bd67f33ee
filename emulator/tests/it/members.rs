//! Members of the invoker's role as IAM writes them.

use http::StatusCode;
use remint_emulator::{TokenRequest, Verdict};
use serde_json::Value;

use crate::support::{GATEWAY, World, get, last_call};

async fn world(members: &[&str]) -> World {
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    World::with(|config| config.services[0].invokers = members).await
}

#[tokio::test]
async fn members_may_be_written_as_iam_does() {
    let world = world(&[&format!("serviceAccount:{GATEWAY}"), "domain:example.com"]).await;
    let us = world.us();
    let issuer = world.emulator.issuer();
    let mut claims = issuer.claims(&TokenRequest::new("dev@example.com", us.url()));
    let stranger = issuer.sign_claims(&claims.clone().into());
    claims.insert("hd".into(), "example.com".into());
    let employee = issuer.sign_claims(&claims.into());
    for (token, status) in [(world.token(us.url()), 200), (employee, 200), (stranger, 403)] {
        assert_eq!(get("/").bearer(&token).send(us.addr()).await.status.as_u16(), status);
    }
    us.set_invokers(["group:devs@example.com", "user:dev@example.com"]);
    let reply = get("/").bearer(&world.token(us.url())).send(us.addr()).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn all_authenticated_users_need_a_token_that_is_for_the_service() {
    let world = world(&["allAuthenticatedUsers"]).await;
    let us = world.us();
    let anybody = TokenRequest::new("x@elsewhere.example", us.url());
    let anybody = world.emulator.issuer().mint(&anybody);
    assert_eq!(get("/").bearer(&anybody).send(us.addr()).await.status, StatusCode::OK);
    let other = world.token("https://lb.example");
    assert_eq!(get("/").bearer(&other).send(us.addr()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(get("/").send(us.addr()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn of_a_public_service_nothing_is_checked_and_tokens_pass_untouched() {
    let world = world(&["allUsers"]).await;
    let us = world.us();
    let reply = get("/").send(us.addr()).await.json();
    assert_eq!((&reply["caller"], &reply["audience"]), (&Value::Null, &Value::Null));
    for token in [world.token(us.url()), world.token("https://lb.example")] {
        let call = get("/").bearer(&token).header("x-serverless-authorization", "Bearer x");
        let reply = call.send(us.addr()).await.json();
        assert_eq!(reply["headers"]["authorization"]["signature"], "(kept)");
        assert_eq!(reply["headers"]["x-serverless-authorization"], "(redacted)");
        assert_eq!(last_call(&world).verdict, Verdict::Accepted);
    }
}
