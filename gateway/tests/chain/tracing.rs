//! Traces, which the gateway passes on and names in its log.

use crate::logging::Logged;
use crate::support::Chain;

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CLOUD: &str = "105445aa7843bc8bf206b12000100000/74;o=0";
const TRACE: &str = "logging.googleapis.com/trace";
const SPAN: &str = "logging.googleapis.com/spanId";
const SAMPLED: &str = "logging.googleapis.com/trace_sampled";

#[tokio::test]
async fn traces_pass_as_they_came_and_none_is_begun() {
    let chain = Chain::start().await;
    let names = ["traceparent", "tracestate", "x-cloud-trace-context"];
    for values in
        [[PARENT, "a=1,b=2", CLOUD], ["00-x", "a=1", "nothing/right"], [PARENT, "A", CLOUD]]
    {
        let mut request = chain.request("/");
        for (name, value) in names.into_iter().zip(values) {
            request = request.header(name, value);
        }
        let headers = chain.send(request).await.json()["headers"].clone();
        for (name, value) in names.into_iter().zip(values) {
            assert_eq!(headers[name], value, "{headers}");
        }
    }
    let headers = chain.get("/").await.json()["headers"].clone();
    assert!(names.iter().all(|name| headers.get(name).is_none()), "{headers}");
}

#[tokio::test]
async fn lines_name_the_trace_of_the_header_that_goes_before() {
    let logged = Logged::start("logs: { access: all, project: my-project }\n").await;
    for (id, headers, trace, span, sampled) in [
        (
            "both",
            vec![("traceparent", PARENT), ("x-cloud-trace-context", CLOUD)],
            ID,
            Some("00f067aa0ba902b7"),
            true,
        ),
        (
            "cloud",
            vec![("x-cloud-trace-context", CLOUD)],
            &CLOUD[..32],
            Some("000000000000004a"),
            false,
        ),
        (
            "rest",
            vec![("traceparent", "00-x"), ("x-cloud-trace-context", CLOUD)],
            &CLOUD[..32],
            Some("000000000000004a"),
            false,
        ),
    ] {
        for (path, token) in [("/", true), ("/", false)] {
            let id = format!("{id}-{token}");
            let mut request = logged.request(path, token).header("x-request-id", &id);
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            logged.send(request).await;
            let line = logged.line_of(&id).await;
            assert_eq!(line[TRACE], format!("projects/my-project/traces/{trace}"), "{line}");
            assert_eq!(line[SPAN].as_str(), span, "{line}");
            assert_eq!(line[SAMPLED], sampled, "{line}");
        }
    }
}

#[tokio::test]
async fn what_is_malformed_is_in_no_line() {
    let logged = Logged::start("logs: { access: all, project: my-project }\n").await;
    let request = logged.request("/", false).header("x-request-id", "odd");
    let request =
        request.header("traceparent", "00-evil").header("x-cloud-trace-context", "evil/1");
    logged.send(request).await;
    let line = logged.line_of("odd").await;
    assert!(line.get(TRACE).is_none(), "{line}");
    assert!(!logged.text().contains("evil"), "{}", logged.text());
}

#[tokio::test]
async fn without_a_project_lines_have_the_id_alone() {
    let logged = Logged::start("").await;
    let request = logged.request("/", false).header("x-request-id", "alone");
    logged.send(request.header("traceparent", PARENT)).await;
    let line = logged.line_of("alone").await;
    assert_eq!(line[TRACE], ID, "{line}");
}

#[tokio::test]
async fn on_cloud_run_the_metadata_server_tells_the_project() {
    let logged = Logged::on_cloud_run("logs: { access: all }\n").await;
    logged.wait_for(|line| line["project"] == "demo-project").await;
    let request = logged.request("/", true).header("x-request-id", "run");
    assert_eq!(logged.send(request.header("traceparent", PARENT)).await.status, 200);
    let line = logged.line_of("run").await;
    assert_eq!(line[TRACE], format!("projects/demo-project/traces/{ID}"));
}
