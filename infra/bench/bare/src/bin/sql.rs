//! Sends a database what a function of Canvass sent it, and the client what that function answered, with nothing between:
//! statements prepared on one connection, together where the function sent them together. It reads what it gets, from the
//! client and from the database, and writes what it answers, JSON as JSON: so much every function must.
//!
//! `RECORDING` is a file of infra/bench/measure.py: `requests`, the round trips of one request after another (the last is
//! repeated), and an `answer`; without one it just connects. With `HASHES` set it hashes a password a request as well, which
//! those functions can't do without.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use futures_util::future::try_join_all;
use lambda_http::{Body, Error, Request, Response, run, service_fn};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::HashMap,
    error::Error as StdError,
    hint::black_box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio_postgres::{
    Client, NoTls, Row, Statement,
    types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

#[derive(Default, Deserialize)]
struct Recording {
    /// What each request sends, one round trip after another.
    requests: Vec<Vec<Vec<Recorded>>>,
    answer: Answer,
}

#[derive(Deserialize)]
struct Recorded {
    sql: String,
    /// None for what was sent as plain text, such as BEGIN.
    types: Option<Vec<u32>>,
    #[serde(default)]
    values: Vec<Option<String>>,
}

#[derive(Default, Deserialize)]
struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
    /// Whether the body stands in hexadecimal digits.
    binary: bool,
}

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let recording = match std::env::var("RECORDING") {
            Ok(path) => serde_json::from_slice(&std::fs::read(path)?)?,
            Err(_) => Recording::default(),
        };
        let replay = Arc::new(Replay::new(recording).await?);
        run(service_fn(move |request: Request| {
            let replay = replay.clone();
            async move { replay.answer(&request).await }
        }))
        .await
    })
}

struct Replay {
    client: Option<Client>,
    requests: Vec<Vec<Vec<Sent>>>,
    next: AtomicUsize,
    answer: Answer,
    body: Content,
    memory: Option<Mutex<Vec<Block>>>,
}

enum Content {
    Json(Value),
    Other(Body),
}

enum Sent {
    Prepared(Statement, Vec<Parameter>),
    Plain(String),
}

impl Replay {
    async fn new(recording: Recording) -> Result<Self, Error> {
        let client = match std::env::var("DATABASE_URL") {
            Ok(url) => {
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
                tokio::spawn(connection);
                Some(client)
            }
            Err(_) => None,
        };
        let mut requests = Vec::new();
        if let Some(client) = &client {
            let mut statements = Statements { client, prepared: HashMap::new() };
            for trips in recording.requests {
                let mut request = Vec::new();
                for trip in trips {
                    request.push(statements.ready(trip).await?);
                }
                requests.push(request);
            }
        }
        let answer = recording.answer;
        let body = match serde_json::from_str(&answer.body) {
            _ if answer.binary => Content::Other(Body::Binary(bytes(&answer.body)?)),
            Ok(json) if client.is_some() => Content::Json(json),
            _ => Content::Other(Body::Text(answer.body.clone())),
        };
        let memory = std::env::var_os("HASHES").map(|_| Mutex::new(vec![Block::default(); 19 * 1024]));
        Ok(Self { client, requests, next: AtomicUsize::new(0), answer, body, memory })
    }

    async fn answer(&self, request: &Request) -> Result<Response<Body>, Error> {
        if let Body::Text(text) = request.body() {
            black_box(serde_json::from_str::<Value>(text)?);
        }
        if let (Some(client), Some(last)) = (&self.client, self.requests.len().checked_sub(1)) {
            for trip in &self.requests[self.next.fetch_add(1, Ordering::Relaxed).min(last)] {
                try_join_all(trip.iter().map(|sent| sent.send(client))).await?;
            }
        }
        if let Some(memory) = &self.memory {
            hash(&mut memory.lock().map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        }
        let mut response = Response::builder().status(self.answer.status);
        for (name, value) in &self.answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(match &self.body {
            Content::Json(json) => Body::Text(serde_json::to_string(json)?),
            Content::Other(body) => body.clone(),
        })?)
    }
}

/// A password, as costly as those of Canvass.
fn hash(memory: &mut [Block]) -> argon2::Result<()> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None)?);
    argon.hash_password_into_with_memory(b"correct horse", b"some sixteen byt", &mut [0; 32], memory)
}

/// What has been prepared on the connection.
struct Statements<'a> {
    client: &'a Client,
    prepared: HashMap<(String, Vec<u32>), Statement>,
}

impl Statements<'_> {
    async fn ready(&mut self, trip: Vec<Recorded>) -> Result<Vec<Sent>, Error> {
        let mut ready = Vec::new();
        for Recorded { sql, types, values } in trip {
            ready.push(match types {
                None => Sent::Plain(sql),
                Some(types) => {
                    let values =
                        values.iter().map(|value| Ok(Parameter(value.as_deref().map(bytes).transpose()?)));
                    Sent::Prepared(self.prepare(sql, types).await?, values.collect::<Result<_, Error>>()?)
                }
            });
        }
        Ok(ready)
    }

    async fn prepare(&mut self, sql: String, types: Vec<u32>) -> Result<Statement, Error> {
        let key = (sql, types);
        if let Some(statement) = self.prepared.get(&key) {
            return Ok(statement.clone());
        }
        let known = key.1.iter().map(|oid| Type::from_oid(*oid).ok_or("a type that is not PostgreSQL's own"));
        let statement = self.client.prepare_typed(&key.0, &known.collect::<Result<Vec<_>, _>>()?).await?;
        self.prepared.insert(key, statement.clone());
        Ok(statement)
    }
}

impl Sent {
    async fn send(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        match self {
            Self::Prepared(statement, values) => {
                let values: Vec<_> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
                client.query(statement, &values).await?.iter().try_for_each(read)
            }
            Self::Plain(sql) => client.batch_execute(sql).await,
        }
    }
}

/// Take a row's values out of it.
fn read(row: &Row) -> Result<(), tokio_postgres::Error> {
    for (at, column) in row.columns().iter().enumerate() {
        match *column.type_() {
            Type::JSON => drop(black_box(row.try_get::<_, Option<Value>>(at)?)),
            Type::TEXT => drop(black_box(row.try_get::<_, Option<String>>(at)?)),
            Type::INT8_ARRAY => drop(black_box(row.try_get::<_, Option<Vec<i64>>>(at)?)),
            Type::INT8 => drop(black_box(row.try_get::<_, Option<i64>>(at)?)),
            _ => {}
        }
    }
    Ok(())
}

/// A value of any type, in PostgreSQL's binary form.
#[derive(Debug)]
struct Parameter(Option<Vec<u8>>);

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        Ok(self.0.as_ref().map_or(IsNull::Yes, |bytes| {
            out.extend_from_slice(bytes);
            IsNull::No
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &str) -> Result<Vec<u8>, Error> {
    let pairs = (0..digits.len()).step_by(2);
    Ok(pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16)).collect::<Result<_, _>>()?)
}
