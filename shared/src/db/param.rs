//! Statement parameters that know their PostgreSQL type.

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A value that can stand for `$n` in a statement.
pub trait Param: ToSql + Sync {
    /// The PostgreSQL type it is sent as.
    fn sql_type(&self) -> Type;
}

/// A Rust type, the type of one value and the type of an array of them.
macro_rules! params {
    ($($rust:ty: $one:ident, $many:ident;)*) => {$(
        impl Param for $rust {
            fn sql_type(&self) -> Type {
                Type::$one
            }
        }
        impl Param for Option<$rust> {
            fn sql_type(&self) -> Type {
                Type::$one
            }
        }
        impl Param for Vec<$rust> {
            fn sql_type(&self) -> Type {
                Type::$many
            }
        }
        impl Param for Vec<Option<$rust>> {
            fn sql_type(&self) -> Type {
                Type::$many
            }
        }
    )*};
}

params! {
    bool: BOOL, BOOL_ARRAY;
    i32: INT4, INT4_ARRAY;
    i64: INT8, INT8_ARRAY;
    &str: TEXT, TEXT_ARRAY;
    String: TEXT, TEXT_ARRAY;
    Uuid: UUID, UUID_ARRAY;
    DateTime<Utc>: TIMESTAMPTZ, TIMESTAMPTZ_ARRAY;
    Value: JSONB, JSONB_ARRAY;
    &Value: JSONB, JSONB_ARRAY;
}
