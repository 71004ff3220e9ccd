//! Plays Lambda for many functions at once: hands each one event after another, checks every answer, and takes the time.
//!
//! Prints the port of its Runtime API, which knows a function by the number in its path: the first one has the setting
//! `AWS_LAMBDA_RUNTIME_API=http://127.0.0.1:port/0`. Then each line of its input is a [`Run`], answered by a line with its
//! [`Report`](run::Report). One thread, so that it takes no more than one core from what it measures.

mod run;
mod runtime;

use run::Run;
use runtime::Function;
use std::{error::Error, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    net::TcpListener,
    sync::Mutex,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let number = std::env::args().nth(1).ok_or("how many functions?")?.parse()?;
    let (entrances, functions): (Vec<_>, Vec<_>) = (0..number).map(|_| runtime::pair()).unzip();
    let functions: Vec<Arc<Mutex<Function>>> =
        functions.into_iter().map(|f| Arc::new(Mutex::new(f))).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    tokio::spawn(runtime::serve(listener, entrances.into()));

    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let run: Run = serde_json::from_str(&line)?;
        println!("{}", serde_json::to_string(&run::carry_out(run, &functions).await)?);
    }
    Ok(())
}
