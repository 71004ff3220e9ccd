//! `make migrate`: bring the database at `DATABASE_URL` to the newest schema.

use shared::{BoxError, config, db::migrate};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let database = config::database()?;
    let (mut client, connection) = database.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let applied = migrate::run(&mut client).await?;
    #[expect(clippy::print_stdout, reason = "this is a command")]
    {
        println!("{applied} migration(s) applied");
    }
    Ok(())
}
