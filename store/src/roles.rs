//! Database roles for programs that do not own the tables: what a program does not need, whoever takes it over
//! cannot do either.
//!
//! Three roles without a login; a city's own logins are members of one each, so that a password is exchanged by a
//! new login. They are the server's, not a database's, so that no migration can make them for every hosting;
//! rights are granted anew, all of them, whenever the schema is brought up to date, wherever the roles exist.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Executor};

use crate::schema::MIGRATIONS;
use crate::{Store, StoreError};

/// Who serves pages and API: writes what drivers, banks and staff do, and changes nothing that is written for ever.
pub const SERVE: &str = "clearbay_serve";
/// Who takes what sensors say: nothing of money, nothing of people.
pub const INGEST: &str = "clearbay_ingest";
/// Who reads reports, from a replica for instance, or checks the books: no secret, and nothing that tells of a person,
/// be it a plate.
pub const READ: &str = "clearbay_read";

const ROLES: [&str; 3] = [SERVE, INGEST, READ];

/// One process at a time grants; the number is of no other lock.
const GRANT_LOCK: i64 = 0x636c_6561_7262_6179;

/// What the roles may do with each table and view: serve, ingest, read. Nobody has TRUNCATE, TRIGGER or REFERENCES,
/// and no DELETE or UPDATE on what only grows. Where only some columns are named, the others never change.
///
/// Who locks a row (`FOR UPDATE`) needs the right to update one of its columns; where nothing else is updated,
/// that is one that says nothing.
#[rustfmt::skip]
const TABLES: &[(&str, &str, &str, &str)] = &[
    // What only grows.
    ("account_change", "SELECT", "", "SELECT"),
    ("audit", "SELECT, INSERT", "", "SELECT"),
    ("invoice", "SELECT, INSERT", "", "SELECT"),
    ("log_leaf", "SELECT, INSERT", "", "SELECT"),
    ("log_report", "SELECT, INSERT", "", "SELECT"),
    ("receipt", "SELECT, INSERT", "", "SELECT"),
    ("terminal_session", "SELECT, INSERT", "", "SELECT"),
    ("transfer", "SELECT, INSERT", "", "SELECT"),
    // Money. A wallet is filled by the ledger's trigger alone.
    ("account", "SELECT, INSERT", "", "SELECT"),
    ("bank_notice", "SELECT, INSERT, UPDATE (settled_note)", "",
        "SELECT (gateway, bank_ref, amount_vnd, currency, paid_at, outcome, payment_id, received_at, settled_note)"),
    ("dispute", "SELECT, INSERT, UPDATE (status, answer, answered_at, staff_id, refund_id)", "", "SELECT"),
    ("idempotency", "SELECT, INSERT, DELETE", "", ""),
    ("invoice_due", "SELECT, DELETE", "", "SELECT"),
    ("outbox", "SELECT, INSERT, DELETE, UPDATE (due_at, attempts, note)", "", "SELECT"),
    ("payment", "SELECT, INSERT, UPDATE (status, amount_vnd, qr, redirect_url, note, posted_at)", "", "SELECT"),
    ("purchase", "SELECT, INSERT, UPDATE (status, amount_vnd, lines, ends_at)", "", "SELECT"),
    ("refund", "SELECT, INSERT, UPDATE (status, gateway_ref, note, done_at)", "", "SELECT"),
    ("refund_decision", "SELECT, INSERT, UPDATE (status, second_by, second_at, note)", "", "SELECT"),
    ("unread_notice", "SELECT, INSERT", "", ""),
    ("wallet", "SELECT, INSERT (account_id, wallet_id, created_at), UPDATE (closed_at)", "", "SELECT"),
    // The public log.
    ("log_head", "SELECT, INSERT, UPDATE (size, root, checkpoint, published_at)", "", "SELECT"),
    ("log_queue", "SELECT, DELETE", "", "SELECT"),
    ("log_tile", "SELECT, INSERT, UPDATE (hashes)", "", "SELECT"),
    ("log_witnessed", "SELECT, INSERT, UPDATE (size, root, checkpoint, cosignatures, witnessed_at)", "", "SELECT"),
    // Parking.
    ("exemption", "SELECT, INSERT, UPDATE (withdrawn_at)", "", ""),
    ("exemption_request", "SELECT, INSERT, UPDATE (status, decided_at, decided_by, reason, exemption_id)", "", ""),
    ("exemption_scan", "SELECT, INSERT, DELETE, UPDATE (delete_after)", "", ""),
    ("held_pass", "SELECT", "", ""),
    ("parking_notice", "SELECT, INSERT, UPDATE (ends_at, amount_vnd, withdrawn_at, withdrawn_why)", "",
        "SELECT (parking_notice_id, bay_id, class, starts_at, ends_at, amount_vnd, issued_by, issued_at, withdrawn_at)"),
    ("parking_notice_session", "SELECT, INSERT", "", "SELECT"),
    ("pass", "SELECT, INSERT", "",
        "SELECT (pass_id, bay_id, zone_id, class, offer, starts_at, ends_at)"),
    ("session", "SELECT, INSERT, UPDATE (bay_id, plate, ends_at, status, stopped_at, stopped_by, parked_before_s)", "",
        "SELECT (session_id, bay_id, class, starts_at, ends_at, status, created_at, metered, stopped_at, stopped_by, pass_id, exemption_id,
         parked_before_s)"),
    ("session_double", "SELECT, INSERT, DELETE", "", "SELECT"),
    // People.
    ("attempt", "SELECT, INSERT, DELETE, UPDATE (failures, failed_at, used_until, went_well_at, forget_at)", "", ""),
    ("confirmed_name", "SELECT, INSERT, DELETE", "", ""),
    ("driver", "SELECT, INSERT, DELETE", "", ""),
    ("driver_login", "SELECT, INSERT, DELETE", "", ""),
    ("login_code", "SELECT, INSERT, UPDATE, DELETE", "", ""),
    // By whose keys plates that are kept no longer were replaced: whoever reads them can undo it.
    ("plate_key", "", "", ""),
    ("plate_walk", "", "", ""),
    ("push_subscription", "SELECT, INSERT, UPDATE, DELETE", "", ""),
    ("shift", "SELECT, INSERT, UPDATE (staff_id, starts_at, ends_at, note, cancelled_at)", "", "SELECT"),
    ("shift_lot", "SELECT, INSERT, DELETE", "", "SELECT"),
    ("sign_in_spent", "SELECT, INSERT, DELETE, UPDATE (expires_at)", "", ""),
    ("staff", "SELECT, INSERT, UPDATE (password_hash, role, disabled_at)", "",
        "SELECT (staff_id, login, name, operator_id, role, disabled_at)"),
    ("staff_identity", "SELECT, INSERT, DELETE, UPDATE (name)", "", ""),
    ("staff_login", "SELECT, INSERT, DELETE, UPDATE (expires_at, confirmed_at)", "", ""),
    ("staff_recovery_code", "SELECT, INSERT, DELETE, UPDATE (used_at)", "", ""),
    ("staff_second_factor",
        "SELECT, INSERT, DELETE, UPDATE (sealed, recovery_salt, last_step, failures, failed_at)", "", ""),
    ("terminal", "SELECT, INSERT, UPDATE (ended_by, ended_at)", "",
        "SELECT (terminal_id, operator_id, name, made_by, made_at, ended_by, ended_at)"),
    // What sensors said. Serve writes where a doubt about one begins or ends, for all that follows is told anew then.
    ("bay_state", "SELECT, INSERT, UPDATE, DELETE", "SELECT, INSERT, UPDATE, DELETE", "SELECT"),
    ("device_comms_event", "SELECT", "", "SELECT"),
    ("device_counter", "SELECT", "SELECT, INSERT, DELETE", "SELECT"),
    ("device_fault", "SELECT, INSERT, UPDATE (until)", "SELECT", "SELECT"),
    ("event", "SELECT", "SELECT, INSERT", "SELECT"),
    ("health_check", "SELECT, INSERT, UPDATE (checked_at, newest_at)", "", "SELECT"),
    ("lot_occupancy", "SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE", "SELECT"),
    ("refused_message", "SELECT", "SELECT, INSERT, UPDATE (reason, detail), DELETE", ""),
    ("refused_tally", "SELECT", "SELECT, INSERT, UPDATE (hour, in_hour, total)", "SELECT"),
    ("stay", "SELECT, INSERT, UPDATE, DELETE", "SELECT, INSERT, UPDATE, DELETE", "SELECT"),
    ("watch_version", "SELECT, UPDATE (version)", "SELECT", "SELECT"),
    // The city, which comes from files that the owner imports.
    ("bay", "SELECT, UPDATE (changed_at)", "SELECT", "SELECT"),
    ("city", "SELECT, UPDATE (refund_alone_vnd, refund_alone_day_vnd)", "SELECT", "SELECT"),
    // What devices and services say at the broker is hashed there, and made by the owner alone.
    ("broker_credential", "", "", ""),
    ("device", "SELECT", "SELECT", "SELECT"),
    ("device_assignment", "SELECT", "SELECT", "SELECT"),
    ("lot", "SELECT", "SELECT", "SELECT"),
    ("map_feature", "SELECT", "", "SELECT"),
    ("operator", "SELECT, UPDATE (refund_alone_vnd, refund_alone_day_vnd)", "", "SELECT"),
    ("price_rule", "SELECT", "", "SELECT"),
    ("tariff", "SELECT", "", "SELECT"),
    ("ward", "SELECT", "", "SELECT"),
    ("zone", "SELECT", "", "SELECT"),
    // Processes.
    ("lease", "SELECT, INSERT, UPDATE, DELETE", "", "SELECT"),
];

/// What else they need.
const OTHER: &[(&str, &str, &str)] = &[
    ("SELECT", "_sqlx_migrations", SERVE),
    ("SELECT", "_sqlx_migrations", INGEST),
    ("SELECT", "_sqlx_migrations", READ),
    ("USAGE", "SEQUENCE wallet_account", SERVE),
    (
        "EXECUTE",
        "FUNCTION events_forget(timestamptz, integer)",
        INGEST,
    ),
    ("EXECUTE", "FUNCTION events_compress(timestamptz)", INGEST),
    (
        "EXECUTE",
        "FUNCTION personal_data_forget(timestamptz, integer)",
        SERVE,
    ),
];

/// Every table and view of which it is said who may what with it; of some it is that nobody may but the owner.
pub fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(table, ..)| *table)
}

impl Store {
    /// Makes the roles that are missing on the server. They have no login and no rights yet.
    ///
    /// # Errors
    /// Where this role may not make others (`CREATEROLE`).
    pub async fn roles_create(&self) -> Result<(), StoreError> {
        for role in ROLES {
            // Another database's migration may be at it too, and no lock reaches from one to the other.
            let create = format!(
                "DO $$ BEGIN
                    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                        CREATE ROLE {role} NOLOGIN;
                    END IF;
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN
                    NULL;
                 END $$"
            );
            self.pool.execute(AssertSqlSafe(create)).await?;
        }
        Ok(())
    }

    /// Gives the roles that exist their rights in this database, and takes from them whatever else they have
    /// there, at one moment; returns which exist. Whoever runs this owns the tables. What a newer program has
    /// extended is left to it, for this one does not know what that needs.
    ///
    /// # Errors
    /// Database errors; then nothing has changed.
    pub async fn roles_grant(&self) -> Result<Vec<&'static str>, StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(GRANT_LOCK)
            .execute(&mut *tx)
            .await?;
        let there: Vec<String> = sqlx::query_scalar("SELECT rolname::text FROM pg_roles")
            .fetch_all(&mut *tx)
            .await?;
        let roles: Vec<&'static str> = ROLES
            .into_iter()
            .filter(|role| there.iter().any(|name| name == role))
            .collect();
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&mut *tx)
            .await?;
        let known = MIGRATIONS.iter().map(|one| one.version).max();
        if newest > known {
            tracing::info!("the schema is a newer program's: rights in it are left as they are");
        } else if !roles.is_empty() {
            let statements = AssertSqlSafe(grants(&roles));
            sqlx::raw_sql(statements).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(roles)
    }
}

/// The statements that give these roles their rights, and no others.
fn grants(roles: &[&'static str]) -> String {
    let all = roles.join(", ");
    // What an extension brought is not ours to revoke. A schema in which anybody may make something lets them put
    // a function of their own before ours.
    let mut text = format!(
        "DO $$
         DECLARE
            ours text := current_schema();
            one text;
         BEGIN
            FOR one IN SELECT format('%s %s', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass)
                FROM pg_class
                WHERE relnamespace = quote_ident(ours)::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
                    AND pg_has_role(relowner, 'USAGE') AND NOT EXISTS (
                        SELECT FROM pg_depend
                        WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
            LOOP
                EXECUTE format('REVOKE ALL ON %s FROM {all}', one);
            END LOOP;
            IF has_schema_privilege('{first}', ours, 'CREATE') THEN
                EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, {all}', ours);
            END IF;
            IF NOT has_schema_privilege('{first}', ours, 'USAGE') THEN
                EXECUTE format('GRANT USAGE ON SCHEMA %I TO {all}', ours);
            END IF;
         END $$;\n",
        first = roles[0]
    );
    let mut grant = |rights: &str, what: &str, role: &'static str| {
        if !rights.is_empty() && roles.contains(&role) {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "GRANT {rights} ON {what} TO {role};");
        }
    };
    for (table, serve, ingest, read) in TABLES {
        grant(serve, table, SERVE);
        grant(ingest, table, INGEST);
        grant(read, table, READ);
    }
    for (right, what, role) in OTHER {
        grant(right, what, role);
    }
    text
}
