//! What every endpoint shares.
//!
//! The path of a request: the gateway picks a function by its route and starts `main`, which is [`serve`]. That runs the
//! endpoint for each request inside [`app::answer`]. The endpoint asks [`App`] for a connection and, where one is
//! needed, for the caller; [`http::input`] for its typed parameters; a noun ([`surveys`], [`questions`], …) for the one
//! SQL statement that does the work; and [`http::ok`] or [`http::created`] for the reply. Whatever fails on the way is an
//! [`Error`], which `answer` turns into the reply and the log line.

pub mod app;
pub mod auth;
pub mod aws;
pub mod config;
pub mod db;
pub mod due_date;
pub mod error;
pub mod export;
pub mod http;
mod logs;
pub mod page;
pub mod questions;
#[cfg(feature = "migrations")]
pub mod recount;
pub mod replies;
pub mod responses;
pub mod results;
pub mod revoked_tokens;
pub mod rules;
pub mod surveys;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod users;

pub use app::{App, run, serve, serve_public};
pub use error::{Error, Result};
pub use http::{Reply, Request};
pub use lambda_http::Error as BoxError;
pub use logs::cause;
