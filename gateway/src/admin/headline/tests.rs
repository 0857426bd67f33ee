use super::*;

const NOW: UnixTime = UnixTime(1_000_000);

fn region(name: &str) -> RegionFacts {
    RegionFacts {
        name: name.to_owned(),
        token_ends: Some(NOW.plus(Duration::from_secs(1800))),
        ..RegionFacts::default()
    }
}

/// Two services in two regions each, and all is well.
fn well() -> Facts {
    let service = |name: &str| ServiceFacts {
        name: name.to_owned(),
        has_keys: true,
        regions: vec![region("us"), region("eu")],
    };
    let google = KeyFacts { issuer: "google".to_owned(), is_usable: true, error: None };
    Facts {
        now: NOW,
        was_ready: true,
        services: vec![service("orders"), service("bills")],
        keys: vec![google],
        ..Facts::default()
    }
}

fn refusal(at: UnixTime, command: Option<&str>) -> Option<RefusalFacts> {
    let command = command.map(str::to_owned);
    Some(RefusalFacts { status: 403, reason: Reason::InvokerMissing, at, command })
}

/// What is said after a change.
fn told(change: impl FnOnce(&mut Facts)) -> Headline {
    let mut facts = well();
    change(&mut facts);
    Headline::of(&facts)
}

fn is_told(level: Level, text: &str, change: impl FnOnce(&mut Facts)) -> Headline {
    let headline = told(change);
    assert_eq!((headline.level, headline.text.as_str()), (level, text));
    headline
}

#[test]
fn all_is_well() {
    let text = "All is well: 2 services in 4 regions, with fresh tokens and keys.";
    assert_eq!(is_told(Level::Well, text, |_| {}).troubles, []);
}

#[test]
fn a_front_end_that_refuses_the_gateway_is_told_with_what_mends_it() {
    let refused = |it: &mut RegionFacts| {
        let at = NOW.minus(Duration::from_secs(5));
        it.refused = refusal(at, Some("gcloud run"));
    };
    let text = "orders: 1 of 2 regions refuses the gateway (403): eu; its account may not call \
                it.";
    let headline = is_told(Level::Warning, text, |it| refused(&mut it.services[0].regions[1]));
    assert_eq!(headline.troubles[0].command.as_deref(), Some("gcloud run"));
    assert_eq!(headline.troubles[0].service.as_deref(), Some("orders"));
    let text = "orders: 1 of 2 regions refuses the gateway (403): us; its account may not call \
                it, as of 3 h ago.";
    is_told(Level::Warning, text, |it| {
        let at = NOW.minus(Duration::from_secs(3 * 3600));
        it.services[0].regions[0].refused = refusal(at, None);
    });
    let text = "orders: all 2 regions refuse the gateway (403): us, eu; its account may not call \
                it.";
    is_told(Level::Broken, text, |it| it.services[0].regions.iter_mut().for_each(refused));
}

#[test]
fn regions_that_are_left_alone_are_told_with_the_cause() {
    let ejected = |it: &mut RegionFacts| it.ejected = Some("unreachable");
    let text = "orders: 1 of 2 regions is left alone (no connection): us.";
    is_told(Level::Warning, text, |it| ejected(&mut it.services[0].regions[0]));
    let text = "orders: 1 of 2 regions on trial after failures (no connection): us.";
    is_told(Level::Warning, text, |it| {
        ejected(&mut it.services[0].regions[0]);
        it.services[0].regions[0].is_on_trial = true;
    });
    let text = "bills: all 2 regions are left alone (no connection): us, eu; they are tried all \
                the same.";
    is_told(Level::Broken, text, |it| it.services[1].regions.iter_mut().for_each(ejected));
}

#[test]
fn tokens_that_are_missing_or_not_renewed_are_told() {
    let denied = Some("permission denied".to_owned());
    let text = "orders: no token for all 2 regions, so none of its requests can be served: \
                permission denied.";
    is_told(Level::Broken, text, |it| {
        for region in &mut it.services[0].regions {
            (region.token_ends, region.token_error) = (None, denied.clone());
        }
    });
    let text = "orders: no token for 1 of 2 regions (us): permission denied.";
    is_told(Level::Warning, text, |it| {
        let region = &mut it.services[0].regions[0];
        (region.token_ends, region.token_error) = (None, denied.clone());
    });
    let text = "orders: the tokens of 1 of 2 regions can't be renewed, the first ends in 30 min: \
                permission denied.";
    is_told(Level::Warning, text, |it| it.services[0].regions[0].token_error = denied.clone());
}

#[test]
fn what_is_on_its_way_at_the_start_is_not_called_broken() {
    let text = "No keys of the issuer google, so its tokens are refused, but it may be on its \
                way: the gateway starts.";
    let without = |it: &mut Facts| it.keys[0].is_usable = false;
    is_told(Level::Warning, text, |it| {
        without(it);
        it.was_ready = false;
    });
    let text = "No keys of the issuer google, so its tokens are refused.";
    is_told(Level::Broken, text, without);
}

#[test]
fn keys_that_are_old_are_a_warning() {
    let text = "The keys of google can't be renewed: no connection.";
    let old = |it: &mut Facts| it.keys[0].error = Some("no connection".to_owned());
    let headline = is_told(Level::Warning, text, old);
    assert_eq!(headline.troubles[0].reason.as_deref(), Some("keys_unavailable"));
}

#[test]
fn a_certificate_is_told_before_it_ends() {
    let after = |seconds| move |it: &mut Facts| it.certificate_ends = Some(UnixTime(seconds));
    let text = "The certificate that callers see ends in 2 days, at 1970-01-14T13:46:40Z.";
    is_told(Level::Warning, text, after(NOW.0 + 172_800));
    let text = "The certificate that callers see has expired at 1970-01-12T13:46:40Z.";
    is_told(Level::Broken, text, after(NOW.0));
    assert_eq!(told(after(NOW.0 + 8 * 86_400)).level, Level::Well);
}

#[test]
fn a_wrong_configuration_and_a_restart_are_told() {
    let text = "The newest configuration is wrong, so the old one stays: no rules.";
    is_told(Level::Warning, text, |it| it.configuration_error = Some("no rules".to_owned()));
    let text = "All is well, but a restart is needed for listen, admin.";
    is_told(Level::Notice, text, |it| it.needs_restart = vec!["listen", "admin"]);
    let text = "The gateway is stopping: not ready any more, it finishes the requests under way.";
    is_told(Level::Warning, text, |it| it.is_draining = true);
}

/// What the rule push did within the last minute.
fn push(passed: u64, groups: &[(&str, usize)]) -> RuleFacts {
    let group = |(reason, count): &(&str, usize)| Group {
        rule: Some("push".to_owned()),
        reason: (*reason).to_owned(),
        message: format!("why {reason}"),
        count: *count,
        command: Some(format!("mend {reason}")),
    };
    let refused = groups.iter().map(|(_, count)| u64::try_from(*count).unwrap()).sum();
    let groups = groups.iter().map(group).collect();
    let (name, service) = (Some("push".to_owned()), Some("orders".to_owned()));
    let count = Count { passed, refused, ..Count::default() };
    RuleFacts { name, service, count, groups }
}

#[test]
fn a_rule_by_which_much_fails_is_a_warning() {
    let failing = |failed| {
        move |it: &mut Facts| {
            it.rules = vec![push(100, &[])];
            it.rules[0].count.failed = failed;
        }
    };
    assert_eq!(told(failing([0, 2, 0, 0, 7, 0])).level, Level::Well);
    let text = "orders: 10 of 100 requests by the rule push failed in the last minute: the \
                application answered 5xx.";
    is_told(Level::Warning, text, failing([10, 0, 0, 0, 0, 0]));
    let text = "orders: all 100 requests by the rule push failed in the last minute: mostly there \
                was no answer in time.";
    is_told(Level::Warning, text, failing([40, 0, 0, 0, 60, 0]));
}

#[test]
fn a_few_refusals_of_the_last_minute_are_a_notice() {
    let text = "All is well, but 1 request was refused in the last minute, for expired (why \
                expired) by the rule push.";
    let headline = is_told(Level::Notice, text, |it| it.rules = vec![push(0, &[("expired", 1)])]);
    assert_eq!(headline.troubles[0].command.as_deref(), Some("mend expired"));
    let text = "All is well, but 12 requests were refused in the last minute, mostly for \
                aud_mismatch (why aud_mismatch) by the rule push.";
    let groups = [("aud_mismatch", 9), ("expired", 3)];
    is_told(Level::Notice, text, |it| it.rules = vec![push(900, &groups)]);
    let text = "All is well, but 2 requests were refused in the last minute, among other reasons \
                for expired (why expired) by the rule push.";
    is_told(Level::Notice, text, |it| it.rules = vec![push(0, &[("expired", 1), ("no_rule", 1)])]);
}

#[test]
fn what_no_rule_is_for_is_a_notice_however_much_it_is() {
    let told = told(|it| {
        let mut rule = push(0, &[("no_rule", 500)]);
        (rule.name, rule.service, rule.groups[0].rule) = (None, None, None);
        it.rules = vec![rule];
    });
    let text = "All is well, but 500 requests were refused in the last minute, for no_rule (why \
                no_rule).";
    assert_eq!((told.level, told.text.as_str()), (Level::Notice, text));
}

#[test]
fn a_rule_that_refuses_much_of_what_comes_is_a_warning_with_what_mends_it() {
    let text = "orders: the rule push refused all 3 requests in the last minute, for expired (why \
                expired).";
    let headline = is_told(Level::Warning, text, |it| it.rules = vec![push(0, &[("expired", 3)])]);
    assert_eq!(headline.troubles[0].command.as_deref(), Some("mend expired"));
    assert_eq!(headline.troubles[0].reason.as_deref(), Some("expired"));
    assert_eq!(headline.troubles[0].service.as_deref(), Some("orders"));
    let text = "orders: the rule push refused 40 of 100 requests in the last minute, mostly for \
                aud_other_region (why aud_other_region).";
    let groups = [("aud_other_region", 30), ("expired", 10)];
    is_told(Level::Warning, text, |it| it.rules = vec![push(60, &groups)]);
}

#[test]
fn the_worst_comes_first_and_the_rest_is_counted() {
    let headline = told(|it| {
        it.needs_restart = vec!["listen"];
        it.services[0].regions[0].ejected = Some("probes");
        it.services[1].regions.iter_mut().for_each(|it| it.token_ends = None);
    });
    let levels: Vec<_> = headline.troubles.iter().map(|it| it.level).collect();
    assert_eq!(levels, [Level::Broken, Level::Warning, Level::Notice]);
    let text = "bills: no token for all 2 regions, so none of its requests can be served. And 2 \
                things more.";
    assert_eq!(headline.text, text);
}

#[test]
fn many_regions_are_counted_and_a_few_are_named() {
    let headline = told(|it| {
        it.services[0].regions = (0..50).map(|number| region(&format!("r{number}"))).collect();
        for region in &mut it.services[0].regions[..20] {
            region.ejected = Some("timeout");
        }
    });
    let text = "orders: 20 of 50 regions are left alone (no answer in time): r0, r1, r2 and 17 \
                more.";
    assert_eq!(headline.text, text);
}
