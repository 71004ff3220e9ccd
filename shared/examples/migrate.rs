//! `make migrate`: bring the database at `DATABASE_URL` to the newest schema.

use shared::{
    BoxError,
    config::Config,
    db::{self, migrate},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut session = db::session(&Config::load_without_keys().await?, None).await?;
    let applied = migrate::run(&mut session).await?;
    #[expect(clippy::print_stdout, reason = "this is a command")]
    {
        println!("{applied} migration(s) applied");
    }
    Ok(())
}
