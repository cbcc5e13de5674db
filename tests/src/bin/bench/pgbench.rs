//! pgbench as the measure of what the server can do: the statements of recorded work, with their
//! recorded parameters, by a client that does nothing else.

use std::collections::HashMap;
use std::fmt::Write;
use std::process::Command;

use anyhow::Context;
use sqlx::AssertSqlSafe;
use tests::database::TestDatabase;
use tests::provided;
use tests::statements::Statement;

/// Pieces of work that execute the same statements, ready to be done by pgbench.
pub struct Work {
    /// For pgbench: fetches the values of the next piece, then executes its statements.
    script: String,
    /// The first of that alone.
    fetch: String,
    /// Parameters that are the same in every piece, by name.
    constants: Vec<(String, String)>,
    /// For each piece the values of all other parameters.
    rows: Vec<Vec<String>>,
}

impl Work {
    /// Reads recordings, one a piece.
    ///
    /// # Errors
    /// Where two did not execute the same statements.
    pub fn new(pieces: &[Vec<Statement>]) -> anyhow::Result<Self> {
        let first = pieces.first().context("nothing was recorded")?;
        for piece in pieces {
            let differs = piece
                .iter()
                .zip(first)
                .find(|(one, other)| one.sql != other.sql);
            anyhow::ensure!(
                piece.len() == first.len() && differs.is_none(),
                "payments differ in their statements: {differs:?}"
            );
        }
        let (mut constants, mut columns) = (Vec::new(), Vec::<Vec<&str>>::new());
        let mut names: HashMap<Vec<&str>, String> = HashMap::new();
        let mut statements = String::new();
        for (at, statement) in first.iter().enumerate() {
            let mut sql = statement.sql.trim_end_matches(';').to_owned();
            // Highest first: $1 begins $10 as well.
            for number in (0..statement.parameters.len()).rev() {
                let values = pieces
                    .iter()
                    .map(|piece| piece[at].parameters[number].as_deref());
                let values: Option<Vec<&str>> = values.collect();
                // What is NULL in one must be so in all, for pgbench's variables cannot be.
                let name = match values {
                    None => "NULL".to_owned(),
                    Some(values) => names
                        .entry(values)
                        .or_insert_with_key(|values| {
                            if values.iter().all(|value| *value == values[0]) {
                                constants
                                    .push((format!("c{}", constants.len()), values[0].to_owned()));
                                format!(":c{}", constants.len() - 1)
                            } else {
                                columns.push(values.clone());
                                format!(":v{}", columns.len() - 1)
                            }
                        })
                        .clone(),
                };
                sql = sql.replace(&format!("${}", number + 1), &name);
            }
            writeln!(statements, "{sql};")?;
        }
        let list: Vec<String> = (0..columns.len())
            .map(|column| format!("v{column}"))
            .collect();
        let fetch = format!(
            "SELECT {} FROM work WHERE n = (SELECT nextval('work_done')) \\gset\n",
            list.join(", ")
        );
        let row = |index: usize| {
            columns
                .iter()
                .map(|column| column[index].to_owned())
                .collect()
        };
        Ok(Self {
            script: format!("{fetch}{statements}"),
            fetch,
            constants,
            rows: (0..pieces.len()).map(row).collect(),
        })
    }

    /// Pieces a second, by so many clients at once, in a database as it was before the recording.
    /// The time for fetching values, measured alone afterwards, does not count.
    ///
    /// # Errors
    /// Where pgbench fails.
    pub async fn rate(&self, database: &TestDatabase, clients: usize) -> anyhow::Result<f64> {
        self.fill(database).await?;
        let each = self.rows.len() / clients;
        let all = self.pgbench(database, &self.script, clients, each).await?;
        sqlx::query("SELECT setval('work_done', 1, false)")
            .execute(&database.pool)
            .await?;
        let fetch = self.pgbench(database, &self.fetch, clients, each).await?;
        Ok(1.0 / (1.0 / all - 1.0 / fetch))
    }

    async fn fill(&self, database: &TestDatabase) -> anyhow::Result<()> {
        let width = self.rows.first().map_or(0, Vec::len);
        let columns: String = (0..width)
            .map(|column| format!(", v{column} text"))
            .collect();
        for sql in [
            format!("CREATE UNLOGGED TABLE work (n bigint PRIMARY KEY{columns})"),
            "CREATE SEQUENCE work_done CACHE 1".to_owned(),
        ] {
            sqlx::query(AssertSqlSafe(sql))
                .execute(&database.pool)
                .await?;
        }
        let mut connection = database.pool.acquire().await?;
        let mut copy = connection.copy_in_raw("COPY work FROM STDIN").await?;
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = (index + 1).to_string();
            for value in row {
                let value = value
                    .replace('\\', "\\\\")
                    .replace('\t', "\\t")
                    .replace('\n', "\\n");
                line += &format!("\t{value}");
            }
            copy.send(format!("{line}\n").into_bytes()).await?;
        }
        copy.finish().await?;
        Ok(())
    }

    async fn pgbench(
        &self,
        database: &TestDatabase,
        script: &str,
        clients: usize,
        transactions: usize,
    ) -> anyhow::Result<f64> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), script)?;
        let mut command = Command::new(provided("CLEARBAY_TEST_PGBENCH"));
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
        command
            .arg(format!("--client={clients}"))
            .arg(format!("--transactions={transactions}"));
        for (name, value) in &self.constants {
            command.arg("--define").arg(format!("{name}={value}"));
        }
        // Without what only our own client understands.
        let url = database.url.split('?').next().unwrap_or_default();
        command.arg("--file").arg(file.path()).arg(url);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let (told, failed) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        // tps = 812.345678 (without initial connection time)
        let tps = told.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps.and_then(|rest| rest.split(' ').next()?.parse().ok());
        tps.filter(|_| output.status.success())
            .with_context(|| format!("pgbench failed: {told}\n{failed}"))
    }
}
