//! The configuration reference is what the program says of itself.

use std::collections::BTreeSet;
use std::path::Path;

use tests::citizen::clearbay;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn the_reference_is_what_the_program_says() {
    let said = clearbay(&["configuration"]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    let (page, said) = (page(), said.text);
    let differing = page
        .lines()
        .zip(said.lines())
        .find(|(written, told)| written != told);
    assert!(
        page == said,
        "docs/configuration.md is not what the program says: run\n  \
         target/debug/clearbay configuration > docs/configuration.md\n\
         The first line that differs, as written and as told: {differing:#?}"
    );
}

/// Whoever sets a machine up by the example files sets variables that there are.
#[test]
fn example_files_name_variables_of_the_reference() {
    let page = page();
    let known: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    for (file, text) in [
        (
            "serve.env",
            include_str!("../../../deploy/serve.env.example"),
        ),
        (
            "ingest.env",
            include_str!("../../../deploy/ingest.env.example"),
        ),
    ] {
        let lines = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
        let names = lines.filter_map(|line| line.split_once('=').map(|(name, _)| name));
        let is_variable = |name: &&str| {
            !name.is_empty()
                && name.chars().all(|letter| {
                    letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'
                })
        };
        for name in names.filter(is_variable) {
            assert!(known.contains(name), "{file}: {name} is no variable");
        }
    }
}

/// What is installed is built by this profile, and tests are not: no other test would tell.
#[test]
fn a_number_that_is_too_large_goes_on_as_no_small_one_in_release_builds_either() {
    let manifest = include_str!("../../../Cargo.toml");
    let (_, release) = manifest.split_once("[profile.release]").unwrap();
    let release = release.split("\n[").next().unwrap();
    assert!(
        release.lines().any(|line| line == "overflow-checks = true"),
        "{release}"
    );
}
