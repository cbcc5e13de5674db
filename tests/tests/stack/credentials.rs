//! Passwords and rights at the broker, made from the registry: a device speaks as itself, and in no other way.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2::{PBKDF2_HMAC_SHA512, derive};
use tests::broker::Broker;
use tests::city::past;
use tests::guarded::Guarded;
use tests::ingesting::Ingesting;
use tests::named_city::{City, EYE, ODD, REMOVED, RENEWED, SERVICES, mode, read, topic_of};
use tests::rabbit::{self, Cluster};
use tests::raw_mqtt::{Caller, Connection};
use tests::sensors::{publish, told};
use tests::trespass::Loot;
use tests::{eventually, free_address};

/// mosquitto with the files that `clearbay broker mosquitto` has written, and two users more.
struct Mosquitto {
    broker: Broker,
    /// Where devices come, as host:port.
    address: String,
}

impl Mosquitto {
    async fn start(city: &City) -> Self {
        write_for_mosquitto(city).await;
        let port = free_address().port();
        // As deploy/mosquitto.conf has it: services by the one listener, devices by the other.
        let broker = Broker::mosquitto_with(&format!(
            "allow_anonymous false\npassword_file {}\nacl_file {}\n\
             listener {port} 127.0.0.1\nuse_username_as_clientid true",
            city.file("passwd").display(),
            city.file("acl").display(),
        ));
        let address = format!("127.0.0.1:{port}");
        eventually("the devices' listener", || async {
            tokio::net::TcpStream::connect(&address).await.is_ok()
        })
        .await;
        Self { broker, address }
    }
}

/// Has the files written anew, and adds two users who may do anything.
async fn write_for_mosquitto(city: &City) {
    city.done(&[
        "broker",
        "mosquitto",
        "--password-file",
        "passwd",
        "--acl-file",
        "acl",
    ])
    .await;
    let add = |name: &str, lines: &str| {
        let file = city.file(name);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, text + lines).unwrap();
    };
    for user in ["listener", "speaker"] {
        // PBKDF2 as mosquitto_passwd has it.
        let (salt, mut hash) = ([7; 12], [0; 64]);
        derive(
            PBKDF2_HMAC_SHA512,
            NonZeroU32::new(101).unwrap(),
            &salt,
            user.as_bytes(),
            &mut hash,
        );
        let (salt, hash) = (STANDARD.encode(salt), STANDARD.encode(hash));
        add("passwd", &format!("{user}:$7$101${salt}${hash}\n"));
        add(
            "acl",
            &format!(
                "\nuser {user}\ntopic readwrite #\ntopic readwrite $SYS/#\ntopic readwrite $CONTROL/#\n"
            ),
        );
    }
}

/// What a device says becomes an event where ingest has its own name.
async fn is_ingested(city: &City, intake: &str, devices: &str, loot: &Loot) {
    let password = |name: &str| {
        &loot
            .services
            .iter()
            .find(|(service, _)| service == name)
            .unwrap()
            .1
    };
    let of_ingest = format!("clearbay-ingest:{}@", password("clearbay-ingest"));
    let ingest = Ingesting::start(&city.database.store, &intake.replace("LOGIN@", &of_ingest));
    let (name, password) = &loot.devices[0];
    let url = format!("mqtt://{name}:{password}@{devices}");
    // The same message each time, however often it takes.
    let first = told(name, past(), 1, true);
    eventually("an event", || async {
        publish(&url, vec![first.clone()]).await;
        city.database.count("event").await == 1
    })
    .await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_attempts_to_speak_as_another_are_all_in_vain() {
    let city = City::new().await;
    let loot = city.loot("mosquitto_hash").await;
    assert_eq!(loot.devices.len(), 38);
    let mosquitto = Mosquitto::start(&city).await;
    let address = mosquitto.address.clone();
    let (listener, speaker) = (
        Caller::named("listener", "listener"),
        Caller::named("speaker", "speaker"),
    );
    let mut guarded = Guarded::watched(address, &listener, &speaker).await;
    guarded.withstands(&loot, 1_000).await;
    // Nothing that was said is kept for whoever comes later.
    let mut later = Connection::open(&guarded.address, &listener).await.unwrap();
    later.subscribe("#").await.unwrap();
    assert_eq!(later.until_ping().await, Some(Vec::new()));
    let intake = mosquitto.broker.url.replace("mqtt://", "mqtt://LOGIN@");
    is_ingested(&city, &intake, &mosquitto.address, &loot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_withstands_the_same() {
    let Some(root) = rabbit::unpacked() else {
        return;
    };
    let city = City::new().await;
    let loot = city.loot("rabbitmq_hash").await;
    let cluster = Cluster::start(root, 1);
    // The device that is removed had been let in before.
    let import = || {
        for name in ["users.json", "permissions.json"] {
            cluster.control(&["import_definitions", &city.file(name).to_string_lossy()]);
        }
    };
    city.done(&["broker", "rabbitmq", "."]).await;
    let (address, user, password) = cluster.mqtt_address(0);
    import();
    eventually("everybody's name", || async {
        for (name, password) in &loot.devices {
            let Some(mut device) = Connection::open(&address, &Caller::named(name, password)).await
            else {
                return false;
            };
            if device.publish(&topic_of(name), "first").await.is_none() {
                return false;
            }
        }
        true
    })
    .await;
    let everything = Caller::named(user, password);
    let another = Caller::named(user, password);
    let mut guarded = Guarded::watched(address.clone(), &everything, &another).await;
    guarded.withstands(&loot, 200).await;
    let intake = cluster
        .amqp_url()
        .replace(&format!("{user}:{password}@"), "LOGIN@");
    is_ingested(&city, &intake, &address, &loot).await;

    // A device that stops being one is let in no longer, whatever it still has.
    let (name, password) = &loot.devices[1];
    let caller = Caller::named(name, password);
    let mut connected = Connection::open(&address, &caller).await.unwrap();
    connected.publish(&topic_of(name), "still").await.unwrap();
    city.done(&["device", "remove", name]).await;
    city.done(&["broker", "rabbitmq", "."]).await;
    import();
    eventually("its end", || async {
        Connection::open(&address, &caller).await.is_none()
    })
    .await;
    // RabbitMQ remembers what a connection may do as long as that does not pause for some seconds.
    let ended = async {
        while connected.publish(&topic_of(name), "still").await.is_some() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(120), ended).await;
    assert!(ended.is_ok(), "its connection goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_or_renewed_is_cut_off_when_mosquitto_reads_its_files_anew() {
    let city = City::new().await;
    city.credentials("services.csv", &SERVICES).await;
    let devices = city.credentials("devices.csv", &[]).await;
    let mut mosquitto = Mosquitto::start(&city).await;
    let address = mosquitto.address.clone();
    let open = |name: &str, password: &str| {
        let (address, caller) = (address.clone(), Caller::named(name, password));
        async move { Connection::open(&address, &caller).await }
    };
    let kept = "lot-0-2-sensor";
    let mut removed = open(REMOVED, &devices[REMOVED]).await.unwrap();
    let mut renewed = open(RENEWED, &devices[RENEWED]).await.unwrap();
    let mut other = open(kept, &devices[kept]).await.unwrap();

    city.done(&["device", "remove", REMOVED]).await;
    let anew = city.credentials("renewed.csv", &[RENEWED, "--renew"]).await;
    // As an operator has it, who lets mosquitto's group read it.
    std::fs::set_permissions(city.file("passwd"), PermissionsExt::from_mode(0o640)).unwrap();
    write_for_mosquitto(&city).await;
    assert_eq!(mode(&city.file("passwd")), 0o640);
    assert_eq!(mode(&city.file("acl")), 0o600);
    mosquitto.broker.reload();
    assert_eq!(removed.next().await, None, "cut off");
    assert_eq!(renewed.next().await, None, "cut off");
    assert_eq!(other.until_ping().await, Some(Vec::new()), "goes on");
    assert!(open(REMOVED, &devices[REMOVED]).await.is_none());
    assert!(open(RENEWED, &devices[RENEWED]).await.is_none());
    assert!(open(RENEWED, &anew[RENEWED]).await.is_some());

    // Back in its bay it is back with its password.
    let import = format!("device,bay,model,silence_after_s\n{REMOVED},lot-0-0,clearbay,3600\n");
    std::fs::write(city.file("back.csv"), import).unwrap();
    city.done(&["device", "import", "back.csv"]).await;
    write_for_mosquitto(&city).await;
    mosquitto.broker.reload();
    eventually("its return", || async {
        open(REMOVED, &devices[REMOVED]).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_password_is_written_once_and_kept_nowhere() {
    let city = City::new().await;
    let why = city
        .refused(&[
            "broker",
            "mosquitto",
            "--password-file",
            "passwd",
            "--acl-file",
            "acl",
        ])
        .await;
    assert!(why.contains("clearbay-ingest has no password"), "{why}");
    assert!(!city.file("acl").exists() && !city.file("passwd").exists());

    let told = city.done(&["broker", "credentials", "devices.csv"]).await;
    for (_, name) in ODD {
        assert!(
            told.contains(&format!("{name:?} gets none")),
            "{name}: {told}"
        );
    }
    let devices = read(&city.file("devices.csv"));
    assert_eq!(mode(&city.file("devices.csv")), 0o600);
    let expected: BTreeSet<String> = (0..5)
        .flat_map(|lot| (0..8).map(move |bay| format!("lot-{lot}-{bay}")))
        .filter(|bay| bay != EYE.0)
        .map(|bay| format!("{bay}-sensor"))
        .collect();
    assert_eq!(devices.keys().cloned().collect::<BTreeSet<_>>(), expected);
    let different: BTreeSet<&String> = devices.values().collect();
    assert_eq!(different.len(), 39);
    assert!(
        different.iter().all(|password| password.len() >= 26),
        "130 bits"
    );

    // Once only.
    let why = city
        .refused(&["broker", "credentials", "devices.csv"])
        .await;
    assert!(why.contains("is there already"), "{why}");
    city.done(&["broker", "credentials", "more.csv"]).await;
    assert!(!city.file("more.csv").exists(), "nobody is without");
    let wrong: [(&[&str], &str); 7] = [
        (&[RENEWED], "has a password"),
        (&["eye"], "through a network server"),
        (&["stranger"], "no device of that name"),
        (&["a/b"], "letters, digits"),
        (&["guest"], "no device of that name"),
        (&["chirpstack", RENEWED, "--renew"], "one after the other"),
        (&["--renew"], "required"),
    ];
    for (names, why) in wrong {
        let arguments = [&["broker", "credentials", "more.csv"], names].concat();
        let told = city.refused(&arguments).await;
        assert!(told.contains(why), "{names:?}: {told}");
        assert!(!city.file("more.csv").exists());
    }
    let services = city.credentials("services.csv", &SERVICES).await;
    let anew = city.credentials("renewed.csv", &[RENEWED, "--renew"]).await;
    assert_ne!(anew[RENEWED], devices[RENEWED]);

    // No table and no file of the broker's has one.
    city.done(&[
        "broker",
        "mosquitto",
        "--password-file",
        "passwd",
        "--acl-file",
        "acl",
    ])
    .await;
    city.done(&["broker", "rabbitmq", "."]).await;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT broker_credential::text FROM broker_credential UNION ALL SELECT audit::text FROM audit")
            .fetch_all(&city.database.pool)
            .await
            .unwrap();
    let files = ["passwd", "acl", "users.json", "permissions.json"];
    let files = files.map(|name| std::fs::read_to_string(city.file(name)).unwrap());
    let kept = [rows.concat(), files.concat()].concat();
    for password in devices
        .values()
        .chain(services.values())
        .chain(anew.values())
    {
        assert!(!kept.contains(password.as_str()));
    }
    // A line for each in the password file, and no other.
    let named = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = files[0].lines().map(named).collect();
    let services = SERVICES.map(str::to_owned);
    let everybody: BTreeSet<String> = expected.into_iter().chain(services).collect();
    assert_eq!(names, everybody);

    let audit: Vec<(String, serde_json::Value)> = sqlx::query_as(
        "SELECT actor, detail FROM audit WHERE action = 'broker_credential.make' ORDER BY audit_id",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    let detail = |devices: usize, services: &[&str], renewed: &[&str]| {
        let detail =
            serde_json::json!({"devices": devices, "services": services, "renewed": renewed});
        ("operator of this system".to_owned(), detail)
    };
    let mut by_name = SERVICES;
    by_name.sort_unstable();
    assert_eq!(
        audit,
        [
            detail(39, &[], &[]),
            detail(0, &by_name, &[]),
            detail(1, &[], &[RENEWED])
        ]
    );
}

#[tokio::test]
async fn two_who_make_passwords_at_once_leave_one_that_counts() {
    let city = City::new().await;
    let (one, two) = tokio::join!(
        city.run(&["broker", "credentials", "one.csv"]),
        city.run(&["broker", "credentials", "two.csv"]),
    );
    let mut counting = Vec::new();
    for (output, file) in [(one, "one.csv"), (two, "two.csv")] {
        if output.status.success() && city.file(file).exists() {
            counting.push(file);
        } else if !output.status.success() {
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(told.contains("may be void"), "{told}");
        }
    }
    assert_eq!(counting.len(), 1, "{counting:?}");
    assert_eq!(city.database.count("broker_credential").await, 39);
    let made = "audit WHERE action = 'broker_credential.make'";
    assert_eq!(city.database.count(made).await, 1);
}
