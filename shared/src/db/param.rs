//! Statement parameters that know their PostgreSQL type.

use crate::values::{QuestionId, ResponseId, SurveyId, TokenId, UserId};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
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
        impl Param for Option<Vec<$rust>> {
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
    UserId: UUID, UUID_ARRAY;
    SurveyId: UUID, UUID_ARRAY;
    QuestionId: UUID, UUID_ARRAY;
    ResponseId: UUID, UUID_ARRAY;
    TokenId: UUID, UUID_ARRAY;
    DateTime<Utc>: TIMESTAMPTZ, TIMESTAMPTZ_ARRAY;
    Decimal: NUMERIC, NUMERIC_ARRAY;
    Value: JSON, JSON_ARRAY;
    &Value: JSON, JSON_ARRAY;
}

/// Ids are `uuid`s to the database.
macro_rules! ids {
    ($($id:ident)*) => {$(
        impl ToSql for $id {
            fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
                self.0.to_sql(ty, out)
            }
            fn accepts(ty: &Type) -> bool {
                <Uuid as ToSql>::accepts(ty)
            }
            to_sql_checked!();
        }
        impl<'a> FromSql<'a> for $id {
            fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
                Uuid::from_sql(ty, raw).map(Self)
            }
            fn accepts(ty: &Type) -> bool {
                <Uuid as FromSql>::accepts(ty)
            }
        }
    )*};
}

ids! { UserId SurveyId QuestionId ResponseId TokenId }

impl Param for Option<Vec<u8>> {
    fn sql_type(&self) -> Type {
        Type::BYTEA
    }
}
