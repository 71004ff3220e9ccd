//! Accounts: users, the passwords and tokens that prove who is calling, and that proof.

mod callers;
pub mod passwords;
pub mod revoked_tokens;
mod tokens;
pub mod users;

pub use callers::{Bearer, Caller, Refresher, Viewer};
pub(crate) use callers::{Claim, deleted_user};
pub use tokens::{Keys, Kind};
