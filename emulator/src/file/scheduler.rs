//! `scheduler`: the jobs of Cloud Scheduler.

use remint_idtoken::config::Reader;

use super::target::{self, whole};
use super::values::{id, list, name};
use crate::scheduler::{JobConfig, JobRetry};

/// Reads the section.
pub(super) fn read(from: &Reader<'_>) -> Option<Vec<JobConfig>> {
    let jobs = list(from, read_job)?;
    let names: Vec<_> = jobs.iter().map(|it| format!("{}/{}", it.location, it.name)).collect();
    from.distinct("job", names.iter().map(String::as_str));
    Some(jobs)
}

fn read_job(from: &Reader<'_>) -> Option<JobConfig> {
    let mut object = from.object()?;
    let id = object.need("name").and_then(|it| id(&it, "_", 500));
    let location = object.need("location").and_then(|it| name(&it));
    let schedule = object.need("schedule").and_then(|it| it.text());
    let zone = object.maybe("time_zone", Reader::text);
    let target = target::read(&mut object);
    let deadline = object.maybe("deadline", target::deadline);
    let retry = object.maybe("retry", read_retry);
    object.finish();
    let mut job = JobConfig::new(id?, location?, schedule?, target?);
    job.time_zone = zone?.unwrap_or_default().to_owned();
    job.attempt_deadline = deadline?.unwrap_or(job.attempt_deadline);
    job.retry = retry?.unwrap_or(job.retry);
    job.check().map_err(|error| from.problem(error.to_string())).ok()?;
    Some(job)
}

fn read_retry(from: &Reader<'_>) -> Option<JobRetry> {
    let mut object = from.object()?;
    let usual = JobRetry::default();
    let count = object.maybe("count", |it| whole(it, 0, 5));
    let age = object.maybe("max_retry_duration", Reader::duration);
    let backoff = target::read_backoff(&mut object, usual.backoff);
    object.finish();
    Some(JobRetry {
        retry_count: count?.unwrap_or(usual.retry_count),
        max_retry_duration: age?.unwrap_or(usual.max_retry_duration),
        backoff: backoff?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::section;
    use super::*;

    fn parse(text: &str) -> Result<Vec<JobConfig>, Vec<String>> {
        section(text, read)
    }

    #[test]
    fn a_job_is_read() {
        let jobs = parse(
            "
- name: report
  location: us-central1
  schedule: '0 9 * * MON'
  time_zone: Europe/Berlin
  url: https://orders.example.com/report
  token: { service_account: a@b }
  deadline: 1m
  retry: { count: 2, min_backoff: 1s }
",
        )
        .unwrap();
        let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
        assert_eq!((&*job.time_zone, job.retry.retry_count), ("Europe/Berlin", 2));
        assert_eq!(job.attempt_deadline, Duration::from_secs(60));
        assert_eq!(job.target.oidc.as_ref().unwrap().audience, None);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let rest = "location: l, url: 'https://a/'";
        let problems = parse(&format!(
            "
- {{ name: a, schedule: '* * *', {rest} }}
- {{ name: a, schedule: '* * * * *', time_zone: Nowhere, {rest} }}
- {{ name: a b, schedule: '* * * * *', {rest} }}
- {{ name: a, {rest}, deadline: 1h, retry: {{ count: 6 }} }}
"
        ))
        .unwrap_err()
        .join("\n");
        for part in [
            "expected minute, hour",
            "\"Nowhere\" is no time zone",
            "a b",
            "\"schedule\" is missing",
            "1h is out of bounds",
            "from 0 to 5",
        ] {
            assert!(problems.contains(part), "{part} is not in:\n{problems}");
        }
    }
}
