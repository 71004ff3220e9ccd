//! What every endpoint shares, in floors; arrows point down only (ARCHITECTURE.md).
//!
//! - The edge: [`app`] and [`http`]. [`serve`] runs an endpoint for each request inside [`app::answer`]; the endpoint asks
//!   its app for a connection and, where one is needed, for the caller; [`http::input`] for its typed parameters; a noun for
//!   what is to be done; and [`http::ok`] or [`http::created`] for the response.
//! - The domain, a folder a noun: [`responses`], [`results`], [`questions`], [`surveys`], [`rules`], [`accounts`]. It knows
//!   no HTTP: it takes values and gives values or an [`Error`].
//! - The platform: [`db`], [`config`], [`aws`], logs.
//! - [`values`]: what is valid as soon as it exists.

pub mod accounts;
pub mod app;
pub mod aws;
pub mod config;
pub mod db;
pub mod error;
pub mod http;
mod logs;
pub mod questions;
#[cfg(feature = "migrations")]
pub mod recount;
pub mod responses;
pub mod results;
pub mod rules;
pub mod surveys;
#[cfg(feature = "testing")]
pub mod testing;
pub mod values;

pub use app::{App, PublicApp, StaticApp, run, serve};
pub use error::{Error, Result};
pub use http::{Request, Response};
pub use lambda_http::Error as BoxError;
pub use logs::cause;
