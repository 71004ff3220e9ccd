//! Accounts: users, the passwords and tokens that prove who is calling, and that proof.

mod callers;
pub mod passwords;
pub mod revoked_tokens;
mod tokens;
pub mod users;

pub(crate) use callers::deleted_user;
pub use callers::{Bearer, Caller, Refresher, Viewer};
pub use tokens::{Keys, Kind};
