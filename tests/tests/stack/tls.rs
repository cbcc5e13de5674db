//! TLS to the database and to the broker: who is believed, and what is said to nobody in the clear.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tests::broker::Broker;
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::eventually;
use tests::ingesting::{IngestProcess, comings_and_goings};
use tests::rabbit::{self, Cluster};
use tests::sensors::{publish, publish_over_tls, told};
use tests::serve_process::{ServeProcess, ServeSettings};
use tests::serving::{SESSION_KEY, Serving, WEBHOOK_KEY};
use tests::tls::{Authority, TlsDoor};
use tests::{free_address, provided};
use tokio::process::Command;

/// How many wait in a cluster for who reads them.
const EVENTS: i64 = 20;

/// A command's arguments, its environment, and of which words it then says no.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], [&'a str; 2]);

/// What `clearbay` says that does not start.
async fn refusal(arguments: &[&str], env: &[(&str, &str)]) -> String {
    let run = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(arguments)
        .env("CLEARBAY_SESSION_KEY", SESSION_KEY)
        .env("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY)
        .env("CLEARBAY_IMPORT_TOKEN", "a-token-of-these-tests")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .unwrap_or_else(|_| panic!("{arguments:?} with {env:?} starts"))
        .unwrap();
    assert!(!run.status.success(), "{arguments:?} with {env:?}");
    String::from_utf8(run.stderr).unwrap()
}

/// An address with other parameters.
fn with_parameters(url: &str, parameters: &str) -> String {
    let mut url = reqwest::Url::parse(url).unwrap();
    url.set_query(Some(parameters));
    url.to_string()
}

/// A server that takes nobody without TLS, and the folder of its certificate.
async fn database_server(authority: &Authority) -> (DatabaseServer, TempDir) {
    let (folder, certificate, key) = authority.issue().write_for_database();
    let rules = folder.path().join("pg_hba.conf");
    std::fs::write(&rules, "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
    let named = |name: &str, file: &Path| format!("{name}={}", file.display());
    let settings = vec![
        "ssl=on".to_owned(),
        named("ssl_cert_file", &certificate),
        named("ssl_key_file", &key),
        named("hba_file", &rules),
    ];
    (DatabaseServer::start_with(None, settings).await, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_must_prove_who_it_is() {
    let authority = Authority::new();
    let (server, folder) = database_server(&authority).await;
    let mut database = TestDatabase::create_on(&server.url).await;
    let believing = |authority: &Authority| {
        let file = authority.file.display();
        with_parameters(
            &database.url,
            &format!("sslmode=verify-full&sslrootcert={file}"),
        )
    };
    let plain = with_parameters(&database.url, "sslmode=disable");
    assert!(PgConnection::connect(&plain).await.is_err());
    let stranger = Authority::new();
    let (right, wrong) = (believing(&authority), believing(&stranger));

    // Both processes do their work.
    database.url = right.clone();
    let env = vec![("DATABASE_URL", right.clone())];
    let place = simulator::city::hanoi(80).unwrap();
    let city = Serving::on(database, &place, Broker::rumqttd(), env, None).await;
    city.paid_session("HK-01-001", 60).await;
    let (encrypted, plain): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl)
           FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'clearbay'",
    )
    .fetch_one(&city.database.pool)
    .await
    .unwrap();
    assert!(encrypted >= 3, "{encrypted}");
    assert_eq!(plain, 0);

    // Another one that answers at its address is not believed, nor this one under another name.
    let log = folder.path().join("serve.log");
    let refused = city.serve.another_with(|settings| {
        settings.env.push(("DATABASE_URL", wrong.clone()));
        settings.log = Some(log.clone());
    });
    let ended = tokio::time::timeout(Duration::from_secs(60), refused.ended()).await;
    assert!(!ended.expect("serve starts").success());
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("certificate"), "{said}");
    let elsewhere = right.replace("@127.0.0.1:", "@localhost:");
    for url in [&wrong, &elsewhere] {
        let env = [("DATABASE_URL", &**url), ("MQTT_URL", &*city.broker.url)];
        let said = refusal(&["ingest"], &env).await;
        assert!(said.contains("certificate"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sensors_and_services_speak_to_the_broker_by_tls() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue().write(folder.path());
    let port = free_address().port();
    let _broker = Broker::mosquitto_with(&format!(
        "listener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\ntls_version tlsv1.2",
        certificate.display(),
        key.display()
    ));
    let database = TestDatabase::with_city(1, 2).await;
    let url = format!("mqtts://a-service:a-password@127.0.0.1:{port}");
    let trusted = authority.file.display().to_string();

    let env = [("SSL_CERT_FILE", &*trusted)];
    let ingest = IngestProcess::with(&database.url, &url, &env);
    let event = told("lot-0-0-sensor", past(), 1, true);
    eventually("a sensor's event", || async {
        publish_over_tls(port, &authority, vec![event.clone()]).await;
        database.count("event").await == 1
    })
    .await;
    ingest.stop().await;

    // `serve` is ready once the broker's word comes.
    let serve = serve(&database, &url, &trusted);
    let client = simulator::http::local().build().unwrap();
    eventually("serve to hear the broker", || async {
        let reply = client.get(format!("{}/readyz", serve.url())).send().await;
        reply.is_ok_and(|reply| reply.status().is_success())
    })
    .await;
}

fn serve(database: &TestDatabase, mqtt_url: &str, trusted: &str) -> ServeProcess {
    ServeProcess::start(ServeSettings {
        env: vec![
            ("DATABASE_URL", database.url.clone()),
            ("MQTT_URL", mqtt_url.to_owned()),
            ("SSL_CERT_FILE", trusted.to_owned()),
            ("CLEARBAY_SESSION_KEY", SESSION_KEY.to_owned()),
            ("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY.to_owned()),
        ],
        city: city::small(1, 1).city.code,
        log: None,
        open_files: None,
        program: None,
    })
}

/// Whoever answers in a broker's place learns nothing, not even the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_another_is_told_nothing() {
    let broker = Broker::rumqttd();
    let door = TlsDoor::open(broker.url.strip_prefix("mqtt://").unwrap().parse().unwrap()).await;
    let database = TestDatabase::with_city(1, 2).await;
    let url = format!("mqtts://a-service:a-password@{}", door.address);
    let stranger = Authority::new();
    let trusted = stranger.file.display().to_string();

    // Each tries again and again.
    let ingest = IngestProcess::with(&database.url, &url, &[("SSL_CERT_FILE", &trusted)]);
    eventually("ingest to turn away", || async { door.turned_away() >= 4 }).await;
    ingest.kill().await;
    let before = door.turned_away();
    let serving = serve(&database, &url, &trusted);
    eventually("serve to turn away", || async {
        door.turned_away() >= before + 4
    })
    .await;
    serving.kill().await;
    assert_eq!(door.entered(), 0);

    // With the right authority both connections of ingest come in.
    let trusted = door.authority.file.display().to_string();
    let ingest = IngestProcess::with(&database.url, &url, &[("SSL_CERT_FILE", &trusted)]);
    let event = told("lot-0-0-sensor", past(), 1, true);
    eventually("a sensor's event", || async {
        publish(&broker.url, vec![event.clone()]).await;
        database.count("event").await == 1
    })
    .await;
    eventually("both of its connections", || async { door.entered() >= 2 }).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_s_nodes_are_reached_by_tls_too() {
    let Some(root) = rabbit::unpacked() else {
        return;
    };
    let cluster = Cluster::start(root, 1);
    let plain = cluster.amqp_url();
    let (login, address) = plain.rsplit_once('@').unwrap();
    let door = TlsDoor::open(address.parse().unwrap()).await;
    let url = format!("{}@{}", login.replace("amqp://", "amqps://"), door.address);
    let database = TestDatabase::with_city(1, 1).await;
    publish(
        &cluster.mqtt_url(0),
        comings_and_goings("lot-0-0-sensor", EVENTS),
    )
    .await;

    let stranger = Authority::new();
    let trusted = stranger.file.display().to_string();
    let ingest = IngestProcess::with(&database.url, &url, &[("SSL_CERT_FILE", &trusted)]);
    eventually("ingest to turn away", || async { door.turned_away() >= 4 }).await;
    ingest.kill().await;
    assert_eq!(door.entered(), 0);

    let trusted = door.authority.file.display().to_string();
    let ingest = IngestProcess::with(&database.url, &url, &[("SSL_CERT_FILE", &trusted)]);
    eventually("the events that waited", || async {
        database.count("event").await == EVENTS
    })
    .await;
    ingest.stop().await;
    assert!(door.entered() >= 2);
}

/// No name of another machine is even looked up: those of `.example` are nobody's (RFC 2606).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_clear_nobody_speaks_to_another_machine() {
    let database = TestDatabase::with_city(1, 1).await;
    let here = ("DATABASE_URL", &*database.url);
    let far_database = ("DATABASE_URL", "postgres://me:secret@db.example/city");
    let far_broker = ("MQTT_URL", "mqtt://me:secret@broker.example");
    let far_cluster = (
        "MQTT_URL",
        "amqps://me:secret@one.example,amqp://me:secret@two.example",
    );
    let far_replica = (
        "CLEARBAY_REPLICA_URL",
        "postgres://me:secret@replica.example/city",
    );
    let code = city::small(1, 1).city.code;
    let for_all = ["serve", "--listen", "0.0.0.0:0"];
    let cases: [Case; 9] = [
        (
            &["migrate"],
            &[far_database],
            ["db.example", "sslmode=verify-full"],
        ),
        (
            &["ingest"],
            &[far_database],
            ["db.example", "sslmode=verify-full"],
        ),
        (
            &["ingest"],
            &[here, far_broker],
            ["broker.example", "mqtts://"],
        ),
        (
            &["ingest"],
            &[here, far_cluster],
            ["two.example", "amqps://"],
        ),
        (&["simulate"], &[far_broker], ["broker.example", "mqtts://"]),
        (
            &["serve"],
            &[here, far_broker],
            ["broker.example", "mqtts://"],
        ),
        (
            &["serve", "--city", &code, "--listen", "127.0.0.1:0"],
            &[here, far_replica],
            ["replica.example", "sslmode=verify-full"],
        ),
        (&for_all, &[here], ["0.0.0.0", "CLEARBAY_PUBLIC_URL"]),
        (
            &["serve", "--public-url", "http://parking.example"],
            &[here],
            ["parking.example", "CLEARBAY_PUBLIC_URL"],
        ),
    ];
    for (arguments, env, words) in cases {
        let said = refusal(arguments, env).await;
        for word in words {
            assert!(said.contains(word), "{arguments:?}: {said}");
        }
        assert!(!said.contains("secret"), "{said}");
    }
    // Where it is said that it is meant they go on to the next thing, which is the database here.
    let meant = ("CLEARBAY_PLAIN_BROKER", "1");
    let said = refusal(&["ingest"], &[far_database, far_broker, meant]).await;
    assert!(said.contains("db.example"), "{said}");
    let meant = ("CLEARBAY_PLAIN_HTTP", "true");
    let said = refusal(&for_all, &[far_database, meant]).await;
    assert!(said.contains("db.example"), "{said}");
}
