//! When a job runs: cron expressions in a time zone.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use remint_idtoken::UnixTime;

use crate::target::ApiError;

/// A schedule in unix-cron format and the zone that it is read in.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Five fields of numbers, `*`, `,`, `-`, `/` and names of days and months
    /// (Cloud Scheduler, "Configure cron job schedules"). Without a zone it is
    /// UTC. The English-like schedules of App Engine are not emulated.
    pub(super) fn new(schedule: &str, zone: &str) -> Result<Self, ApiError> {
        let wrong = |why: &str| {
            ApiError::invalid(format!("{schedule:?} is no schedule in unix-cron format: {why}"))
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "*,-/ ".contains(c);
        if let Some(other) = schedule.chars().find(|c| !plain(*c)) {
            return Err(wrong(&format!("{other:?} has no meaning")));
        }
        if schedule.split_whitespace().count() != 5 {
            return Err(wrong("expected minute, hour, day of month, month, day of week"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
        let cron = parser.build().parse(schedule).map_err(|error| wrong(&error.to_string()))?;
        let zone = match zone {
            "" => TimeZone::UTC,
            zone => TimeZone::get(zone).map_err(|_| {
                ApiError::invalid(format!("{zone:?} is no time zone of the tz database"))
            })?,
        };
        Ok(Self { cron, zone })
    }

    /// The first time after that moment. None if there is none.
    pub(super) fn next_after(&self, moment: UnixTime) -> Option<UnixTime> {
        let at = self.timestamp(moment)?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&at, false).ok()?;
        u64::try_from(next.timestamp().as_second()).ok().map(UnixTime)
    }

    /// RFC 3339 with the zone's offset: "this header will contain the job
    /// schedule as an offset of UTC parsed according to RFC3339" (Cloud
    /// Scheduler API, `HttpTarget.headers`).
    pub(super) fn shown(&self, moment: UnixTime) -> Option<String> {
        let at = self.timestamp(moment)?.to_zoned(self.zone.clone());
        let form =
            if at.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        Some(at.strftime(form).to_string())
    }

    fn timestamp(&self, moment: UnixTime) -> Option<Timestamp> {
        Timestamp::from_second(i64::try_from(moment.0).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next three times after 2026-09-21T14:13:20Z, a Monday.
    fn next(schedule: &str, zone: &str) -> Vec<String> {
        let schedule = Schedule::new(schedule, zone).unwrap();
        let mut at = UnixTime(1_790_000_000);
        (0..3)
            .map(|_| {
                at = schedule.next_after(at).unwrap();
                schedule.shown(at).unwrap()
            })
            .collect()
    }

    #[test]
    fn unix_cron_s_fields_mean_what_they_do_in_cron() {
        let day = |times: [&str; 3]| times.map(|time| format!("2026-09-{time}:00Z"));
        assert_eq!(next("*/15 * * * *", ""), day(["21T14:15", "21T14:30", "21T14:45"]));
        assert_eq!(next("0 9 * * MON-WED", "utc"), day(["22T09:00", "23T09:00", "28T09:00"]));
        assert_eq!(
            next("30 14 22,24 9 *", ""),
            ["2026-09-22T14:30:00Z", "2026-09-24T14:30:00Z", "2027-09-22T14:30:00Z"]
        );
        // Either day counts if both are restricted.
        assert_eq!(next("0 0 23 * 2", ""), day(["22T00:00", "23T00:00", "29T00:00"]));
    }

    #[test]
    fn a_time_zone_s_summer_time_counts() {
        // On 25 October at three o'clock it is two o'clock again.
        let schedule = Schedule::new("0 9 * * *", "Europe/Berlin").unwrap();
        let day_before = UnixTime(1_792_792_800);
        let first = schedule.next_after(day_before).unwrap();
        assert_eq!(schedule.shown(first).unwrap(), "2026-10-24T09:00:00+02:00");
        let second = schedule.next_after(first).unwrap();
        assert_eq!(schedule.shown(second).unwrap(), "2026-10-25T09:00:00+01:00");
        assert_eq!(second.since(first).as_secs(), 25 * 3600);
    }

    #[test]
    fn what_is_not_unix_cron_is_refused() {
        for bad in
            ["", "* * * *", "* * * * * *", "every 24 hours", "60 * * * *", "@daily", "0 0 L * ?"]
        {
            assert!(Schedule::new(bad, "").is_err(), "{bad}");
        }
        assert!(Schedule::new("* * * * *", "Mars/Olympus").is_err());
    }
}
