//! `tasks`: the queues of Cloud Tasks.

use remint_idtoken::config::{Kind, Reader};

use super::target::{self, whole};
use super::values::{id, list, name};
use crate::tasks::{HttpOverrides, QueueConfig, RateLimits, RetryConfig, TaskConfig};

/// Reads the section.
pub(super) fn read(from: &Reader<'_>) -> Option<Vec<QueueConfig>> {
    let queues = list(from, read_queue)?;
    let names: Vec<_> = queues.iter().map(|it| format!("{}/{}", it.location, it.name)).collect();
    from.distinct("queue", names.iter().map(String::as_str));
    Some(queues)
}

fn read_queue(from: &Reader<'_>) -> Option<QueueConfig> {
    let mut object = from.object()?;
    let id = object.need("name").and_then(|it| id(&it, "", 100));
    let location = object.need("location").and_then(|it| name(&it));
    let rate_limits = object.maybe("rate_limits", read_limits);
    let retry = object.maybe("retry", read_retry);
    let tasks = object.maybe("tasks", read_tasks);
    object.finish();
    let queue = QueueConfig {
        name: id?,
        location: location?,
        rate_limits: rate_limits?.unwrap_or_default(),
        retry: retry?.unwrap_or_default(),
        http: HttpOverrides::default(),
        tasks: tasks?.unwrap_or_default(),
    };
    queue.check().map_err(|error| from.problem(error.to_string())).ok()?;
    Some(queue)
}

fn read_tasks(from: &Reader<'_>) -> Option<Vec<TaskConfig>> {
    let tasks = list(from, read_task)?;
    from.distinct("task", tasks.iter().filter_map(|task| task.id.as_deref()));
    Some(tasks)
}

fn read_limits(from: &Reader<'_>) -> Option<RateLimits> {
    let mut object = from.object()?;
    let usual = RateLimits::default();
    let rate = object.maybe("max_dispatches_per_second", read_rate);
    let concurrent = object.maybe("max_concurrent_dispatches", |it| whole(it, 1, 5000));
    object.finish();
    Some(RateLimits {
        max_dispatches_per_second: rate?.unwrap_or(usual.max_dispatches_per_second),
        max_concurrent_dispatches: concurrent?.unwrap_or(usual.max_concurrent_dispatches),
    })
}

fn read_rate(from: &Reader<'_>) -> Option<f64> {
    match from.node().kind {
        Kind::Number(rate) if rate > 0.0 && rate <= 500.0 => Some(rate),
        _ => {
            from.problem("expected a number above 0 and at most 500");
            None
        }
    }
}

fn read_retry(from: &Reader<'_>) -> Option<RetryConfig> {
    let mut object = from.object()?;
    let usual = RetryConfig::default();
    let attempts = object.maybe("max_attempts", |it| match &it.node().kind {
        Kind::Text(_) => it.choice(&[("unlimited", None)]),
        _ => whole(it, 1, 1_000_000_000).map(Some),
    });
    let age = object.maybe("max_retry_duration", Reader::duration);
    let backoff = target::read_backoff(&mut object, usual.backoff);
    object.finish();
    Some(RetryConfig {
        max_attempts: attempts?.unwrap_or(usual.max_attempts),
        max_retry_duration: age?.unwrap_or(usual.max_retry_duration),
        backoff: backoff?,
    })
}

fn read_task(from: &Reader<'_>) -> Option<TaskConfig> {
    let mut object = from.object()?;
    let id = object.maybe("id", |it| id(it, "_", 500));
    let target = target::read(&mut object);
    let deadline = object.maybe("deadline", target::deadline);
    object.finish();
    let mut task = TaskConfig::new(target?);
    task.id = id?;
    task.dispatch_deadline = deadline?.unwrap_or(task.dispatch_deadline);
    task.check().map_err(|error| from.problem(error.to_string())).ok()?;
    Some(task)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::super::tests::section;
    use super::*;
    use crate::target::Backoff;

    fn parse(text: &str) -> Result<Vec<QueueConfig>, Vec<String>> {
        section(text, read)
    }

    #[test]
    fn a_queue_with_its_tasks_is_read() {
        let queues = parse(
            "
- name: orders
  location: us-central1
  rate_limits: { max_dispatches_per_second: 0.5, max_concurrent_dispatches: 3 }
  retry: { max_attempts: unlimited, max_retry_duration: 1h, min_backoff: 1s, max_backoff: 9s, max_doublings: 2 }
  tasks:
    - id: first
      url: https://orders.example.com/work?a=b
      method: PUT
      headers: { X-Mine: '1' }
      body: hi
      token: { service_account: a@b, audience: c }
      deadline: 20s
- { name: mail, location: europe-west1 }
",
        )
        .unwrap();
        let [orders, mail] = queues.as_slice() else { panic!("{queues:?}") };
        assert_eq!(*mail, QueueConfig::new("mail", "europe-west1"));
        assert_eq!(orders.rate_limits.max_dispatches_per_second, 0.5);
        let [second, nine] = [1, 9].map(Duration::from_secs);
        assert_eq!(orders.retry.max_attempts, None);
        assert_eq!(orders.retry.backoff, Backoff { min: second, max: nine, max_doublings: 2 });
        let task = &orders.tasks[0];
        assert_eq!((task.target.method.clone(), &*task.target.body), (Method::PUT, &b"hi"[..]));
        assert_eq!(task.target.oidc.as_ref().unwrap().audience.as_deref(), Some("c"));
        assert_eq!(task.dispatch_deadline, Duration::from_secs(20));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let problems = parse(
            "
- name: a_b
  location: l
- name: orders
  rate_limits: { max_dispatches_per_second: 501, max_concurrent_dispatches: 0 }
  retry: { max_attempts: 0, min_backoff: 2s, max_backoff: 1s, doublings: 1 }
  tasks:
    - { url: 'ftp://a/' }
    - { url: 'https://a/', method: TRACE, token: {}, deadline: 1s }
    - { url: 'https://a/', method: GET, body: hi }
    - { url: 'https://a/', id: 'a b' }
",
        )
        .unwrap_err()
        .join("\n");
        for part in [
            "\"a_b\" is no id",
            "\"location\" is missing",
            "above 0 and at most 500",
            "from 1 to 5000",
            "from 1 to 1000000000",
            "min_backoff is above max_backoff",
            "doublings: is not a setting",
            "no endpoint",
            "\"TRACE\" is no httpMethod",
            "\"service_account\" is missing",
            "1s is out of bounds",
            "a body is not allowed with GET",
            "\"a b\"",
        ] {
            assert!(problems.contains(part), "{part} is not in:\n{problems}");
        }
    }
}
