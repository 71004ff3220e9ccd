//! The two database roles that the functions connect as. Neither owns the database, and neither has a password.

use shared::BoxError;
use tokio_postgres::Client;

/// Who defines tables.
pub(crate) const MIGRATE: &str = "canvass_migrate";

/// As the owner: make the roles, if they aren't there. Settings of sessions are on the role, because a pooler would not
/// take them from the client.
///
/// `idle_session` is in seconds, 0 for no end to it: behind a proxy, whose own connections those are. None leaves it as it is.
pub(crate) async fn create(owner: &Client, idle_session: Option<u32>) -> Result<(), BoxError> {
    owner
        .batch_execute(
            "-- roles::create
            DO $$
            BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'canvass_migrate') THEN
                    CREATE ROLE canvass_migrate LOGIN;
                END IF;
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'canvass_app') THEN
                    CREATE ROLE canvass_app LOGIN;
                END IF;
                -- Login with an IAM token: a role that only RDS has.
                IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
                    GRANT rds_iam TO canvass_migrate, canvass_app;
                END IF;
            END
            $$;
            ALTER ROLE canvass_app SET statement_timeout = '25s';
            ALTER ROLE canvass_app SET idle_in_transaction_session_timeout = '10s';
            -- A request that runs out of time hangs up, and its client is told 503: what it had begun ends with it.
            ALTER ROLE canvass_app SET client_connection_check_interval = '1s';
            GRANT USAGE, CREATE ON SCHEMA public TO canvass_migrate;
            GRANT USAGE ON SCHEMA public TO canvass_app;",
        )
        .await?;
    if let Some(seconds) = idle_session {
        owner
            .batch_execute(&format!("ALTER ROLE canvass_app SET idle_session_timeout = '{seconds}s'"))
            .await?;
    }
    Ok(())
}

/// As the owner of the tables: all data for the app, except that the list of migrations can only be read.
pub(crate) async fn grant(migrate: &Client) -> Result<(), BoxError> {
    migrate
        .batch_execute(
            "-- roles::grant
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO canvass_app;
            REVOKE INSERT, UPDATE, DELETE ON refinery_schema_history FROM canvass_app;",
        )
        .await?;
    Ok(())
}
