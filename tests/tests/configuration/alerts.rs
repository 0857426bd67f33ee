//! The alerts, as Prometheus reads them and by its own tests of rules.

use std::process::Command;

use remint_tests::shipped::workspace;

#[test]
fn prometheus_takes_the_alerts_and_each_fires_where_it_should() {
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]] {
        let folder = workspace().join("deploy/prometheus");
        let output = Command::new("promtool").args(arguments).current_dir(folder).output();
        let output =
            output.expect("there is no promtool here: install Debian's package prometheus");
        let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        assert!(output.status.success(), "promtool {}\n{out}{err}", arguments.join(" "));
    }
}
