//! Alert rules: each fires on what it is for, rests on figures that there are, and leads to a page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(here(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every word of a text that begins so.
fn words(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character));
    words
        .filter(|word| word.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

/// Every source file under a folder.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn rules_and_dashboard_ask_for_figures_that_there_are() {
    let mut source = String::new();
    for part in [
        "api/src",
        "ingest/src",
        "clearbay/src",
        "store/src",
        "dashboard/src",
    ] {
        sources(&here(part), &mut source);
    }
    let exported = words(&source, "clearbay_");
    for file in [
        "deploy/prometheus/clearbay.rules.yml",
        "deploy/grafana/clearbay.json",
    ] {
        let asked = words(&read(file), "clearbay_");
        assert!(asked.len() > 10, "{file}");
        for metric in asked {
            let plain = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|ending| metric.strip_suffix(ending));
            let known =
                exported.contains(&metric) || plain.is_some_and(|plain| exported.contains(plain));
            assert!(known, "{file} asks for {metric}, which nothing exports");
        }
    }
}

/// The names of metrics that are counted or shown somewhere in a source.
fn emitted(source: &str) -> BTreeSet<String> {
    let calls = ["counter!(", "gauge!(", "histogram!("];
    let after = calls.iter().flat_map(|call| source.split(call).skip(1));
    after
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_metric_says_what_it_means_and_is_shown_somewhere() {
    let mut source = String::new();
    for part in ["api/src", "ingest/src", "clearbay/src"] {
        sources(&here(part), &mut source);
    }
    let recorder = read("clearbay/src/recorder.rs");
    let table = recorder.split("const METRICS").nth(1).unwrap();
    let table = table.split("\n];").next().unwrap();
    let mut described = words(table, "clearbay_");
    described.insert("process_start_time_seconds".to_owned());
    assert_eq!(emitted(&source), described);
}

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() {
    let rules = ["clearbay", "machines"]
        .map(|of| read(&format!("deploy/prometheus/{of}.rules.yml")))
        .concat();
    let alerts: BTreeSet<String> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect();
    assert!(alerts.len() > 20);
    let contents = read("docs/runbook/README.md");
    for alert in &alerts {
        assert!(
            rules.contains(&format!("runbook: docs/runbook/{alert}.md")),
            "{alert}"
        );
        assert!(
            contents.contains(&format!("[{alert}]({alert}.md)")),
            "{alert}"
        );
        let page = read(&format!("docs/runbook/{alert}.md"));
        for part in [
            "**For people**",
            "**See it.**",
            "**Do.**",
            "**Over when.**",
            "**Do not**",
        ] {
            assert!(page.contains(part), "{alert}: {part}");
        }
    }
    for page in std::fs::read_dir(here("docs/runbook")).unwrap().flatten() {
        let name = page.file_name().into_string().unwrap();
        let name = name.trim_end_matches(".md");
        assert!(
            name == "README" || alerts.contains(name),
            "{name} is no alert"
        );
    }
}

/// Each alert fires alone where one thing is wrong, none where all is well: `clearbay.rules.test.yml`.
#[test]
fn alerts_fire_and_only_where_they_should() {
    let Ok(promtool) = std::env::var("CLEARBAY_TEST_PROMTOOL") else {
        println!("skipped: there is no promtool here");
        return;
    };
    let folder = here("deploy/prometheus");
    let tested = read("deploy/prometheus/clearbay.rules.test.yml");
    let named = words(&read("deploy/prometheus/clearbay.rules.yml"), "Clearbay");
    for alert in named.iter().filter(|word| *word != "Clearbay") {
        assert!(
            tested.contains(&format!("alertname=\"{alert}\"")),
            "nothing tests {alert}"
        );
    }
    for args in [
        &["test", "rules", "clearbay.rules.test.yml"][..],
        &["check", "rules", "clearbay.rules.yml"],
        &["test", "rules", "machines.rules.test.yml"],
        &["check", "rules", "machines.rules.yml"],
        &["check", "config", "prometheus.yml"],
    ] {
        let ended = Command::new(&promtool)
            .args(args)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}
