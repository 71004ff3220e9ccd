//! Answers without doing anything.

use lambda_http::{Error, Request, run, service_fn};

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(service_fn(|_: Request| async { Ok::<_, Error>("{}") })))
}
