//! What `remint plugin-config` prints, writes and answers.

use super::*;

use remint_emulator::Fault;

use narrow::{World, module};

/// What Google's load balancer has taken of module and configuration together
/// from the start; 5 MiB by now (Service Extensions, "Quotas and limits").
const MOST_BYTES: u64 = 2 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_s_reader_takes_what_is_rendered_and_it_fits() {
    let world = World::new().await;
    let output = world.run(&document(), &[]).await;
    assert!(output.status.success(), "{output:?}");
    remint_filter::check_configuration(&output.stdout).unwrap();
    let module = std::fs::metadata(module()).unwrap().len();
    let size = u64::try_from(output.stdout.len()).unwrap();
    println!("the module has {module} bytes, the configuration {size}");
    assert!(module + size < MOST_BYTES, "{module} + {size}");
    let told = String::from_utf8(output.stderr).unwrap();
    // The line end is not the configuration's.
    assert!(told.contains(&format!("a plugin configuration of {} bytes", size - 1)), "{told}");
    assert!(told.contains("whose keys are used until 20"), "{told}");
    let fetches = (world.google.jwks_fetches(), world.google.iap_jwks_fetches());
    assert_eq!(fetches, (1, 1));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_only_if_all_went_well() {
    let world = World::new().await;
    let file = world.path("plugin.json");
    let output = ["--output", file.to_str().unwrap()];
    std::fs::write(&file, "the last one").unwrap();
    world.google.faults().set_iap_keys(Some(Fault::Status(http::StatusCode::SERVICE_UNAVAILABLE)));
    let failed = world.run(&document(), &output).await;
    assert_eq!(failed.status.code(), Some(1));
    let told = String::from_utf8(failed.stderr).unwrap();
    assert!(told.contains("no keys of \"iap\"") && told.contains("503"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the last one");
    world.google.faults().clear();
    let written = world.run(&document(), &output).await;
    assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
    remint_filter::check_configuration(&std::fs::read(&file).unwrap()).unwrap();
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_their_places_and_nothing_is_fetched() {
    let world = World::new().await;
    let mut document = document();
    document["policy"]["rules"][0]["audiences"] = json!([]);
    document["tokn"] = json!("strip");
    let output = world.run(&document, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let told = String::from_utf8(output.stderr).unwrap();
    for part in ["policy.yaml:1:", "policy.rules[0].audiences", "tokn: is not a setting"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(world.google.jwks_fetches(), 0);
    world.close().await;
}
