//! Migrations add; what they take away, no program that may still run uses. CONTRIBUTING.md has the rule.

use std::collections::BTreeSet;
use std::path::Path;

use tests::database::TestDatabase;

/// Up to this one they were written before the rule.
const BEFORE_THE_RULE: i64 = 40;
/// Tables that grow with every vehicle: nothing that holds them for long may be done to them.
const LARGE: [&str; 22] = [
    "audit",
    "bank_notice",
    "device_counter",
    "device_fault",
    "event",
    "idempotency",
    "invoice",
    "log_leaf",
    "log_queue",
    "log_tile",
    "lot_occupancy",
    "outbox",
    "parking_notice",
    "payment",
    "purchase",
    "receipt",
    "refund",
    "refused_message",
    "session",
    "stay",
    "terminal_session",
    "transfer",
];

/// What a migration does that the rule speaks of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Steps that take away, or ask for, what an older program does not know of.
    contracts: Vec<String>,
    /// Steps that hold up a city.
    locks: Vec<String>,
    /// From which migration on programs do without what is taken away, as a comment says.
    says: Option<i64>,
}

/// The words of a statement, in capitals, names without quotes.
fn words(statement: &str) -> Vec<String> {
    let spaced = statement.replace('(', " ( ").replace(')', " ) ");
    let words = spaced.split_whitespace();
    words
        .map(|word| word.trim_matches(['"', ',']).to_uppercase())
        .collect()
}

/// A statement's parts between commas that are in no brackets.
fn parts(statement: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in statement.chars() {
        depth += i32::from(character == '(') - i32::from(character == ')');
        if character == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

/// Where words stand one after the other.
fn place(words: &[String], wanted: &[&str]) -> Option<usize> {
    words.windows(wanted.len()).position(|window| {
        window
            .iter()
            .zip(wanted)
            .all(|(word, wanted)| word == wanted)
    })
}

/// The name that follows some words, those of a condition left out.
fn after(words: &[String], wanted: &[&str]) -> Option<String> {
    let place = place(words, wanted)? + wanted.len();
    let left_out = ["IF", "NOT", "EXISTS", "ONLY", "CONCURRENTLY"];
    let mut rest = words[place..].iter();
    rest.find(|word| !left_out.contains(&word.as_str()))
        .cloned()
}

fn look(file: &str) -> Found {
    let mut found = Found::default();
    let mut sql = String::new();
    for line in file.lines() {
        let (code, comment) = line.split_once("--").unwrap_or((line, ""));
        let said = comment.trim().strip_prefix("contract: nothing since ");
        if let Some(said) = said.and_then(|said| said.strip_suffix(" uses it")) {
            found.says = said.parse().ok();
        }
        sql.push_str(code);
        sql.push('\n');
    }
    let statements: Vec<&str> = sql.split(';').collect();
    let made: BTreeSet<String> = statements
        .iter()
        .filter_map(|statement| after(&words(statement), &["CREATE", "TABLE"]))
        .collect();
    // Columns of which an older program's rows have a value.
    let mut has_default = BTreeSet::new();
    for statement in &statements {
        for part in parts(statement) {
            let words = words(&part);
            let sets = place(&words, &["SET", "DEFAULT"]).is_some();
            if let Some(column) = after(&words, &["ALTER", "COLUMN"]).filter(|_| sets) {
                has_default.insert(column);
            }
        }
    }
    for statement in &statements {
        look_at(statement, &made, &has_default, &mut found);
    }
    found
}

fn look_at(
    statement: &str,
    made: &BTreeSet<String>,
    has_default: &BTreeSet<String>,
    found: &mut Found,
) {
    let all = words(statement);
    let has = |wanted: &[&str]| place(&all, wanted).is_some();
    let told = || all.join(" ").chars().take(120).collect::<String>();
    for gone in [["DROP", "TABLE"], ["DROP", "VIEW"], ["DROP", "TYPE"]] {
        if has(&gone) {
            found.contracts.push(told());
        }
    }
    // A function's own words are not the schema's.
    let is_body = all.iter().any(|word| word.contains("$$"));
    if has(&["ALTER", "TYPE"]) && !has(&["ADD", "VALUE"]) {
        found.contracts.push(told());
    }
    if let Some(table) =
        after(&all, &["ALTER", "TABLE"]).filter(|table| !made.contains(table) && !is_body)
    {
        for part in parts(statement) {
            let words = words(&part);
            let has = |wanted: &[&str]| place(&words, wanted).is_some();
            let alters = after(&words, &["ALTER", "COLUMN"]);
            let has_value = |column: &String| has_default.contains(column);
            let takes_away = has(&["DROP", "COLUMN"])
                || has(&["RENAME"])
                || (alters.is_some() && has(&["TYPE"]))
                || (has(&["SET", "NOT", "NULL"]) && !alters.as_ref().is_some_and(has_value))
                || (has(&["ADD", "COLUMN"])
                    && has(&["NOT", "NULL"])
                    && !has(&["DEFAULT"])
                    && !has(&["GENERATED"]));
            if takes_away {
                found
                    .contracts
                    .push(format!("{table}: {}", words.join(" ")));
            }
        }
    }
    let index = has(&["CREATE", "INDEX"]) || has(&["CREATE", "UNIQUE", "INDEX"]);
    let by_parts = has(&["CONCURRENTLY"]) || statement.contains("transaction_per_chunk");
    if index && !by_parts && !is_body {
        let table = after(&all, &["ON"]).unwrap_or_default();
        let is_large = LARGE.contains(&table.to_lowercase().as_str());
        if is_large && !made.contains(&table) {
            found.locks.push(told());
        }
    }
}

/// The number that a file's name ends with, where it says that it takes something away.
fn named(stem: &str) -> Option<i64> {
    stem.split_once("_contract_")?.1.parse().ok()
}

#[test]
fn migrations_only_add_or_say_since_when_nobody_needs_what_they_take() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() as i64 >= BEFORE_THE_RULE);
    for file in files {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let number: i64 = stem.split('_').next().unwrap().parse().unwrap();
        if number <= BEFORE_THE_RULE {
            continue;
        }
        let found = look(&std::fs::read_to_string(&file).unwrap());
        assert_eq!(
            found.locks,
            Vec::<String>::new(),
            "{stem} holds up a large table: CREATE INDEX CONCURRENTLY, in a file of its own that begins with \
             `-- no-transaction`; for `event` WITH (timescaledb.transaction_per_chunk)"
        );
        if !found.contracts.is_empty() {
            assert!(
                found.says.is_some(),
                "{stem} takes away what a program of the version before may use: {:?}. Leave it, or say \
                 `-- contract: nothing since 0041 uses it`",
                found.contracts
            );
        }
        assert_eq!(
            found.says,
            named(&stem),
            "{stem}: the comment `contract: nothing since 0041 uses it` and the name's end `_contract_0041` say \
             the same, or there is neither"
        );
        assert!(found.says.is_none_or(|since| since < number), "{stem}");
    }
}

#[test]
fn the_rule_knows_what_takes_away_from_what_adds() {
    let takes = [
        "ALTER TABLE lot DROP COLUMN name;",
        "DROP TABLE IF EXISTS shift;",
        "alter table lot rename column name to title;",
        "ALTER TABLE lot RENAME TO place;",
        "ALTER TABLE lot ALTER COLUMN name TYPE varchar(10);",
        "ALTER TABLE lot ALTER COLUMN name SET NOT NULL;",
        "ALTER TABLE lot ADD COLUMN a text NOT NULL;",
        "ALTER TABLE lot ADD COLUMN a text NOT NULL DEFAULT '', ADD COLUMN b text NOT NULL;",
        "ALTER TYPE mood RENAME VALUE 'a' TO 'b';",
    ];
    for sql in takes {
        assert_eq!(look(sql).contracts.len(), 1, "{sql}");
    }
    let adds = [
        "ALTER TABLE lot ADD COLUMN a text NOT NULL DEFAULT now(), ADD COLUMN b text;",
        "ALTER TABLE lot ADD COLUMN a numeric(10, 2) NOT NULL DEFAULT 0;",
        "ALTER TABLE lot ALTER COLUMN a SET DEFAULT '', ALTER COLUMN a SET NOT NULL;",
        "CREATE TABLE thing (a text NOT NULL); ALTER TABLE thing ALTER COLUMN a TYPE int;",
        "ALTER TYPE mood ADD VALUE 'c';",
        "ALTER TABLE session DROP CONSTRAINT a, ADD CONSTRAINT a CHECK (b IN ('c', 'd'));",
        "-- DROP TABLE lot;",
    ];
    for sql in adds {
        assert_eq!(look(sql), Found::default(), "{sql}");
    }
    let locks = "CREATE UNIQUE INDEX a ON payment (b);";
    assert_eq!(look(locks).locks.len(), 1);
    for sql in [
        "CREATE INDEX CONCURRENTLY a ON payment (b);",
        "CREATE INDEX a ON lot (b);",
        "CREATE INDEX a ON event (b) WITH (timescaledb.transaction_per_chunk);",
    ] {
        assert_eq!(look(sql), Found::default(), "{sql}");
    }
    let said = look("-- contract: nothing since 0045 uses it\nDROP TABLE shift;");
    assert_eq!(said.says, Some(45));
    assert_eq!(named("0050_shift_contract_0045"), Some(45));
}

/// After an upgrade an older program starts on the newer schema, unless what it uses was taken away.
#[tokio::test]
async fn an_older_program_starts_on_a_schema_that_was_only_added_to() {
    let database = TestDatabase::create().await;
    let newest: i64 = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let applied = async |version: i64, description: &str| {
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ($1, $2, true, '', 0)",
        )
        .bind(version)
        .bind(description)
        .execute(&database.pool)
        .await
        .unwrap();
    };
    // As programs of the future leave it.
    applied(newest + 1, "something is added").await;
    database.store.migrate().await.unwrap();
    applied(newest + 2, &format!("something goes contract {newest:04}")).await;
    database.store.migrate().await.unwrap();
    applied(newest + 3, &format!("it goes contract {:04}", newest + 1)).await;
    let refused = database.store.migrate().await.unwrap_err().to_string();
    assert!(refused.contains("too old for the database"), "{refused}");

    let said = tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"))
        .arg("migrate")
        .env("DATABASE_URL", &database.url)
        .output()
        .await
        .unwrap();
    assert_eq!(said.status.code(), Some(1));
    let why = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(why.contains(&format!("migration {}", newest + 1)), "{why}");
}
