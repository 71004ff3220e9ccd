//! `make recount`: whether all counters of the database at `DATABASE_URL` say what its replies say.

use shared::{BoxError, config::Config, db, recount};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    let mut session = db::session(&Config::load_without_keys().await?, None).await?;
    let differences = recount::differences(&mut session).await?;
    #[expect(clippy::print_stdout, reason = "this is a command")]
    {
        for difference in &differences {
            println!("{difference}");
        }
        println!("{} difference(s)", differences.len());
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
