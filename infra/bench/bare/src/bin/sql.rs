//! Does what `health` does, with nothing around it: one prepared statement on one connection.

use lambda_http::{Error, Request, run, service_fn};
use serde_json::json;
use std::sync::Arc;
use tokio_postgres::NoTls;

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (client, connection) = tokio_postgres::connect(&std::env::var("DATABASE_URL")?, NoTls).await?;
        tokio::spawn(connection);
        let statement = client.prepare("SELECT max(version) AS version FROM refinery_schema_history").await?;
        let state = Arc::new((client, statement));
        run(service_fn(move |_: Request| {
            let state = state.clone();
            async move {
                let row = state.0.query_one(&state.1, &[]).await?;
                Ok::<_, Error>(json!({ "status": "ok", "schema": row.get::<_, i32>(0) }))
            }
        }))
        .await
    })
}
