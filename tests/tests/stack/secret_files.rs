//! Secrets come from files or the environment, and never from the command line.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use reqwest::StatusCode;
use tests::provided;
use tests::serving::{IMPORT_TOKEN, SESSION_KEY, Serving, WEBHOOK_KEY, is_ready};
use tests::{eventually, serving};
use tokio::process::Command;

fn write(folder: &Path, name: &str, secret: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    path.display().to_string()
}

async fn clearbay(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(provided("CLEARBAY_TEST_BIN"));
    command.args(arguments).envs(env.iter().copied());
    command.output().await.unwrap()
}

/// What the program says that ends with 1.
async fn refusal(arguments: &[&str], env: &[(&str, &str)]) -> String {
    let output = clearbay(arguments, env).await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_process_that_has_its_secrets_in_files_does_what_one_does_that_has_them_in_its_environment()
 {
    let city = Serving::city(80).await;
    let folder = tempfile::tempdir().unwrap();
    let (named, handed) = (folder.path().join("named"), folder.path().join("handed"));
    for folder in [&named, &handed] {
        std::fs::create_dir(folder).unwrap();
    }
    let database = city.database.serve_url.clone();
    let process = city.serve.another_with(|settings| {
        let in_files = [
            "DATABASE_URL",
            "CLEARBAY_SESSION_KEY",
            "CLEARBAY_WEBHOOK_KEY",
            "CLEARBAY_IMPORT_TOKEN",
        ];
        settings.env.retain(|(name, _)| !in_files.contains(name));
        settings.env.extend([
            ("DATABASE_URL_FILE", write(&named, "database", &database)),
            (
                "CLEARBAY_SESSION_KEY_FILE",
                write(&named, "session", SESSION_KEY),
            ),
            ("CREDENTIALS_DIRECTORY", handed.display().to_string()),
            // Nothing, as a file of variables has it.
            ("CLEARBAY_IMPORT_TOKEN", String::new()),
        ]);
        write(&handed, "clearbay_CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY);
        write(&handed, "clearbay_CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN);
    });
    let url = process.url();
    eventually("a process with files to be ready", || {
        is_ready(&city.client, &url)
    })
    .await;
    // A session of the other's is one of this one's; the bank and a terminal are believed.
    let open = city.open_payment("HK-01-001", 60).await;
    let payment = city
        .client
        .get(format!("{url}/api/v1/payments/{}", open.payment));
    let payment = payment.bearer_auth(&open.token).send().await.unwrap();
    assert_eq!(payment.status(), StatusCode::OK);
    let paid = serving::bank_request(&city.client, &url, &[open.transfer()]);
    assert_eq!(paid.send().await.unwrap().status(), StatusCode::OK);
    let upload = city.client.post(format!("{url}/api/v1/imports/sessions"));
    let upload = upload
        .bearer_auth(IMPORT_TOKEN)
        .json(&serde_json::json!({"sessions": []}));
    let uploaded = upload.send().await.unwrap().status();
    assert_ne!(uploaded, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    let nowhere = "postgres://nowhere.invalid/a?sslmode=disable";
    let all = [
        ("DATABASE_URL", nowhere),
        ("CLEARBAY_SESSION_KEY", SESSION_KEY),
        ("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY),
    ];
    for (option, name) in [
        ("--session-key", "CLEARBAY_SESSION_KEY"),
        ("--webhook-key", "CLEARBAY_WEBHOOK_KEY"),
        ("--database-url", "DATABASE_URL"),
    ] {
        let said = refusal(&["serve", option, "told-to-everybody"], &all).await;
        assert!(said.contains(&format!("{name}_FILE")), "{said}");
        assert!(!said.contains("told-to-everybody"), "{said}");
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_is_asked_for_by_its_variable() {
    let said = refusal(&["migrate"], &[("DATABASE_URL", "")]).await;
    assert!(
        said.contains("DATABASE_URL is not set, nor DATABASE_URL_FILE"),
        "{said}"
    );
    // What is set to nothing is not set.
    let some = [("CLEARBAY_SESSION_KEY", SESSION_KEY), ("DATABASE_URL", "")];
    let said = refusal(&["serve"], &some).await;
    assert!(
        said.contains("DATABASE_URL, CLEARBAY_WEBHOOK_KEY are not set"),
        "{said}"
    );
    // What would be refused is not offered.
    let help = clearbay(&["serve", "--help"], &[]).await;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("CLEARBAY_SESSION_KEY (required)"), "{help}");
    assert!(!help.contains("--session-key"), "{help}");
}

#[tokio::test]
async fn a_file_that_is_not_there_or_says_otherwise_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let key = write(folder.path(), "key", "the-secret-of-the-file");
    let away = folder.path().join("away").display().to_string();
    let said = refusal(&["migrate"], &[("DATABASE_URL_FILE", &away)]).await;
    assert!(
        said.contains("DATABASE_URL") && said.contains(&away),
        "{said}"
    );
    let both = [
        ("DATABASE_URL_FILE", &*key),
        ("DATABASE_URL", "another-secret"),
    ];
    let said = refusal(&["migrate"], &both).await;
    assert!(said.contains("leave one") && said.contains(&key), "{said}");
    assert!(!said.contains("secret-of"), "{said}");
    assert!(!said.contains("another"), "{said}");
    // No help shows what a file has.
    let help = clearbay(&["migrate", "--help"], &[("DATABASE_URL_FILE", &key)]).await;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        help.contains("Secrets") && !help.contains("secret-of"),
        "{help}"
    );
}
