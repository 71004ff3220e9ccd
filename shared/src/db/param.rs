//! Statement parameters that know their PostgreSQL type.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
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
    i16: INT2, INT2_ARRAY;
    i32: INT4, INT4_ARRAY;
    i64: INT8, INT8_ARRAY;
    &str: TEXT, TEXT_ARRAY;
    String: TEXT, TEXT_ARRAY;
    Uuid: UUID, UUID_ARRAY;
    DateTime<Utc>: TIMESTAMPTZ, TIMESTAMPTZ_ARRAY;
    Decimal: NUMERIC, NUMERIC_ARRAY;
    Value: JSON, JSON_ARRAY;
    &Value: JSON, JSON_ARRAY;
}

impl Param for Option<Vec<u8>> {
    fn sql_type(&self) -> Type {
        Type::BYTEA
    }
}
